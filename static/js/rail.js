// On a narrow screen the rail scrolls sideways: bring the current page's line into view.

const rail = document.querySelector(".rail");
const current = rail?.querySelector("[aria-current]");
if (current) {
  rail.scrollLeft = current.offsetLeft - (rail.clientWidth - current.offsetWidth) / 2;
}
