// On a narrow screen the rail scrolls sideways: bring the current page's line into view.

const rail = document.querySelector(".rail");
const current = rail?.querySelector("[aria-current]");

function bring() {
  rail.scrollLeft = current.offsetLeft - (rail.clientWidth - current.offsetWidth) / 2;
}

if (current) {
  bring();
  window.addEventListener("resize", bring); // a tablet that is turned
}
