// Hide all: the button of the top bar, or Esc twice anywhere, also while typing and in dialogs. Every
// preview goes and the page stands blank, until one presses to come back. No network is needed.

const TWICE = 600; // ms between the two
const blank = document.querySelector("[data-blank]");
const button = document.querySelector("[data-hide-all]");
const title = document.title;
let last = -TWICE;

function hide() {
  window.dispatchEvent(new Event("breakwater:hide-previews"));
  if (blank.open) return;
  document.title = "Breakwater";
  document.documentElement.classList.add("blanked");
  blank.showModal();
}

function comeBack() {
  document.title = title;
  document.documentElement.classList.remove("blanked");
  blank.close();
}

window.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (blank.open) {
    event.preventDefault(); // it goes away by its button alone
    return;
  }
  if (event.repeat || event.isComposing) return;
  if (performance.now() - last < TWICE) {
    event.preventDefault();
    hide();
  }
  last = performance.now();
}, true);

blank.addEventListener("cancel", (event) => event.preventDefault());
blank.querySelector("[data-come-back]").addEventListener("click", comeBack);
button.hidden = false;
button.addEventListener("click", hide);
