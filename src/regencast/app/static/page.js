// A changed form asks for its answer at once; without this script the button does the same.
(() => {
  const form = document.getElementById("design");
  if (!form) return;
  const answer = document.getElementById("answer");
  const peek = document.querySelector("[data-peek]");
  let timer = 0;
  let running = null;

  const asked = () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value.trim()) query.append(name, value);
    return query.toString();
  };

  const describe = () => {
    for (const select of form.querySelectorAll("select:enabled")) {
      const hint = document.getElementById(select.getAttribute("aria-describedby"));
      if (hint) hint.textContent = select.selectedOptions[0]?.dataset.definition || "";
    }
    for (const group of form.querySelectorAll("fieldset.labels")) {
      const chosen = [...group.querySelectorAll("input:checked")].map((box) => box.parentNode.firstChild.nextSibling.textContent.trim());
      group.querySelector("[data-summary]").textContent = chosen.join(", ") || "left open";
    }
  };

  const ask = async () => {
    const query = asked();
    running?.abort();
    running = new AbortController();
    answer.setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(`${form.dataset.answer}?${query}`, { signal: running.signal });
      answer.innerHTML = await reply.text();
      history.replaceState(null, "", `${form.getAttribute("action")}?${query}`);
      const score = answer.querySelector(".score");
      peek.textContent = score ? `Score ${score.querySelector("strong").textContent} (${score.querySelector(".soft").textContent.replace("90 % interval ", "")})` : "This design has a fault";
      answer.removeAttribute("aria-busy");
    } catch (error) {
      if (error.name === "AbortError") return;
      answer.textContent = "The program does not answer. Is it still running?";
      answer.removeAttribute("aria-busy");
    }
  };

  const later = (event) => {
    const box = event.target;
    if (box.type === "checkbox" && box.checked) {
      // "None" and a modification exclude each other.
      for (const other of form.querySelectorAll(`input[name="${box.name}"]`))
        if (other !== box && (other.value === "none") !== (box.value === "none")) other.checked = false;
    }
    describe();
    clearTimeout(timer);
    timer = setTimeout(ask, event.type === "input" ? 350 : 60);
  };
  form.addEventListener("change", later);
  form.addEventListener("input", (event) => { if (event.target.matches("input:not([type=checkbox])")) later(event); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); ask().then(() => answer.scrollIntoView()); });

  answer.addEventListener("click", async (event) => {
    if (!event.target.matches("[data-copy]")) return;
    const told = answer.querySelector("[data-copied]");
    const link = `${location.origin}${form.getAttribute("action")}?${asked()}`;
    try { await navigator.clipboard.writeText(link); told.textContent = "Copied."; }
    catch { told.textContent = link; }
  });
})();
