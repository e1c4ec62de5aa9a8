// @ts-check
// Keeps the keys that lists and sliders live by from JupyterLab, which would move between cells with them.

const KEYS = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"]);

/** @param {{ el: HTMLElement }} view */
function render({ el }) {
  el.hidden = true;
  const guard = () => {
    const box = el.parentElement;
    if (!box) return requestAnimationFrame(guard);
    box.addEventListener("keydown", (event) => {
      const target = event.target;
      if (KEYS.has(event.key) && target instanceof Element && target.matches("select, input, [role=tab]")) {
        event.stopPropagation();
      }
    });
  };
  guard();
}

export default { render };
