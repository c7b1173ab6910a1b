// The preview stage. A press raises the level; lowering, leaving and coming back show the outline.

function lower() {
  const stage = document.querySelector("[data-stage]");
  const picture = stage?.querySelector("[data-shown]");
  if (!stage) return;
  picture?.remove(); // its address was good for one look, so nothing is left to show again
  stage.dataset.level = "0";
  stage.querySelector("[data-outline]")?.removeAttribute("hidden");
  for (const step of stage.querySelectorAll(".level-now")) {
    step.classList.remove("level-now");
    step.removeAttribute("aria-current");
  }
  const outline = stage.querySelector("[data-lower]");
  outline?.classList.add("level-now");
  outline?.setAttribute("aria-current", "step");
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-lower]")) return;
  event.preventDefault();
  lower();
});

document.addEventListener("contextmenu", (event) => {
  if (event.target.matches("[data-shown]")) event.preventDefault();
});

window.addEventListener("pagehide", lower);
window.addEventListener("breakwater:lock", lower);
window.addEventListener("breakwater:hide-previews", lower);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) lower();
});

// A refusal says why on the stage itself.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 409 && event.detail.target.id === "preview") {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
