// Who else has this page open. While it is in sight the page says every 30 s that it is open, and
// is told of others; a hint that nobody can renew is taken away. Whose case it is no longer asks no
// more, and sees no picture of it.

const EVERY = 30_000;

function company(line) {
  const tell = (hint) => {
    if (line.textContent !== hint) line.textContent = hint; // heard once, not every half a minute
  };
  const ask = async () => {
    if (document.hidden || document.querySelector("[data-lock][open]")) return;
    try {
      const answer = await fetch(line.dataset.company, { headers: { Accept: "application/json" } });
      const refused = answer.redirected || (answer.status >= 400 && answer.status < 500);
      if (refused) window.dispatchEvent(new Event("breakwater:hide-previews"));
      if (answer.status === 404) clearInterval(clock);
      tell(answer.ok && !refused ? (await answer.json()).hint : "");
    } catch {
      tell("");
    }
  };
  document.addEventListener("visibilitychange", ask);
  const clock = setInterval(ask, EVERY);
}

for (const line of document.querySelectorAll("[data-company]")) company(line);
