"use strict";
// Draws every figure of the page from the data beside it; nothing is fetched and no text of a log is ever run.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const page = document.documentElement;
  const config = { responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtonsToRemove: ["sendChartToCloud"] };
  const swaps = JSON.parse(document.getElementById("kvmlab-colours").textContent);
  const coloured = (text) => (dark.matches ? text.replace(/#[0-9a-f]{6}/g, (c) => swaps[c] || c) : text);
  // Once drawn, the words go to the drawing itself: what is an image may not hold the buttons beside it.
  const nameDrawing = (drawing) => {
    const words = drawing.dataset.words || drawing.getAttribute("aria-label");
    drawing.dataset.words = words;
    drawing.removeAttribute("role");
    drawing.removeAttribute("aria-label");
    drawing.querySelectorAll("svg.main-svg").forEach((svg, number) => {
      if (number) return svg.setAttribute("aria-hidden", "true");
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", words);
    });
  };
  const draw = async () => {
    const figures = [...document.querySelectorAll("figure[data-picture]")];
    const failures = [];
    for (const figure of figures) {
      try {
        const spec = JSON.parse(coloured(figure.querySelector("script").textContent));
        const drawing = figure.querySelector(".drawing");
        await Plotly.react(drawing, spec.data, spec.layout, config);
        nameDrawing(drawing);
      } catch (error) {
        failures.push(String(error));
      }
    }
    page.dataset.drawn = String(figures.length - failures.length);
    page.dataset.failures = failures.join("; ");
  };
  dark.addEventListener("change", draw);
  window.addEventListener("beforeprint", () => {
    for (const drawing of document.querySelectorAll("figure .drawing.js-plotly-plot")) Plotly.Plots.resize(drawing);
  });
  draw();
})();
