// Sections with data-tab inside data-tabs become tabs (the ARIA pattern: arrows go from one to the next,
// and show it). The address names the tab; without scripts they stay sections below each other.

function asTabs(frame) {
  const panels = [...frame.querySelectorAll(":scope > [data-tab]")];
  const list = document.createElement("div");
  list.className = "tab-list";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", frame.dataset.tabs);
  const tabs = panels.map((panel) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.className = "tab";
    tab.id = `tab-${panel.id}`;
    tab.textContent = panel.querySelector("h2").textContent;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    list.append(tab);
    return tab;
  });

  const show = (index) => {
    tabs.forEach((tab, each) => {
      tab.setAttribute("aria-selected", String(each === index));
      tab.tabIndex = each === index ? 0 : -1;
      panels[each].hidden = each !== index;
    });
  };
  const named = () => panels.findIndex((panel) => `#${panel.id}` === location.hash);
  const choose = (index) => {
    show(index);
    tabs[index].focus();
    history.replaceState(history.state, "", `#${panels[index].id}`);
  };

  list.addEventListener("click", (event) => {
    const index = tabs.indexOf(event.target.closest("[role=tab]"));
    if (index >= 0) choose(index);
  });
  list.addEventListener("keydown", (event) => {
    const now = tabs.indexOf(document.activeElement);
    const to = {
      ArrowRight: (now + 1) % tabs.length,
      ArrowLeft: (now + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
  });
  frame.addEventListener("tab:show", (event) => show(panels.indexOf(event.target.closest("[data-tab]"))));
  window.addEventListener("hashchange", () => {
    if (named() >= 0) show(named());
  });
  const wrong = panels.findIndex((panel) => panel.querySelector(".field-error"));
  frame.prepend(list);
  show(Math.max(named(), wrong, 0));
  if (wrong >= 0) panels[wrong].querySelector(".field-wrong .form-control")?.focus(); // it may be far below
}

document.querySelectorAll("[data-tabs]").forEach(asTabs);
