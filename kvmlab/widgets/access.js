// @ts-check
// What the widgets of a box lack for the keyboard and for screen readers: JupyterLab would take the arrow keys from lists
// and sliders to move between cells, and the sliders and the player of ipywidgets have controls without a name.

const KEYS = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"]);
const ICONS = { "fa-play": "play", "fa-pause": "pause", "fa-stop": "stop and go back to the beginning", "fa-repeat": "repeat" };

/** @param {KeyboardEvent} event */
function keep(event) {
  const target = event.target;
  if (KEYS.has(event.key) && target instanceof Element && target.matches("select, input, [role=tab], [role=slider]")) {
    event.stopPropagation();
  }
}

/** @param {Element} box */
function name(box) {
  for (const handle of box.querySelectorAll(".noUi-handle:not([aria-label])")) {
    const label = handle.closest(".widget-inline-hbox")?.querySelector("label");
    handle.setAttribute("aria-label", label?.textContent?.trim() || "value");
  }
  for (const button of box.querySelectorAll(".widget-play button")) {
    for (const [icon, words] of Object.entries(ICONS)) {
      if (button.querySelector(`.${icon}`) && button.getAttribute("aria-label") !== words) {
        button.setAttribute("aria-label", words);
      }
    }
  }
}

/** @param {{ el: HTMLElement }} view */
function render({ el }) {
  const observers = [];
  el.hidden = true;
  const begin = () => {
    const box = el.parentElement;
    if (!box) return void requestAnimationFrame(begin);
    box.addEventListener("keydown", keep);
    const observer = new MutationObserver(() => name(box));
    observer.observe(box, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
    observers.push(observer);
    name(box);
  };
  begin();
  return () => observers.forEach((observer) => observer.disconnect());
}

export default { render };
