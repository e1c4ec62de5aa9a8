// @ts-check
// A slider that the keyboard, the mouse and a screen reader work alike: the browser's own, with a name and with words for
// its value. The usual slider of ipywidgets has neither.

/**
 * @typedef {{ value: number, min: number, max: number, label: string, text: string }} State
 * @typedef {{ get<K extends keyof State>(name: K): State[K], set(name: "value", value: number): void,
 *   save_changes(): void, on(event: string, callback: () => void): void }} Model
 * @param {{ model: Model, el: HTMLElement }} view
 */
function render({ model, el }) {
  const label = document.createElement("label");
  const name = document.createElement("span");
  const input = document.createElement("input");
  const shown = document.createElement("output");
  input.type = "range";
  input.step = "1";
  el.classList.add("kvmlab-slider");
  // Or JupyterLab takes the arrow keys for moving between cells.
  el.addEventListener("keydown", (event) => event.key !== "Tab" && event.stopPropagation());
  label.append(name, input);
  el.append(label, shown);
  const show = () => {
    name.textContent = model.get("label");
    input.min = String(model.get("min"));
    input.max = String(model.get("max"));
    input.value = String(model.get("value"));
    input.setAttribute("aria-valuetext", model.get("text"));
    shown.textContent = `${model.get("value")} of ${model.get("max")}`;
  };
  input.addEventListener("input", () => {
    model.set("value", input.valueAsNumber);
    model.save_changes();
  });
  for (const key of ["value", "min", "max", "label", "text"]) model.on(`change:${key}`, show);
  show();
}

export default { render };
