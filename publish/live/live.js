// Figures whose pictures are stored: controls that show one after the other. Where a combination of
// values is not stored, the nearest one is shown and the other controls move to it.
{
  // A number as JupyterLab writes it beside a slider; the formats are Python's and d3-format's.
  const written = (value, format) => {
    if (typeof value === "string") return value;
    const [, digits, kind] = format.match(/^\.?(\d*)([dfg])$/);
    const size = Math.abs(value);
    const text = kind === "g" ? size.toPrecision(digits) : size.toFixed(kind === "f" ? digits : 0);
    return (value < 0 && Number(text) ? "−" : "") + text;
  };

  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  async function start(figure) {
    const { size: [width, height], rows, controls, pictures } =
      JSON.parse(figure.querySelector("script").textContent);
    const stored = Object.keys(pictures).map((key) => key.split(",").map(Number));
    const first = controls.map((control) => control.start);
    let at = first, moves = 0;

    const canvas = element("canvas", { width, height, role: "img" });
    canvas.style.setProperty("--width", `${width}px`);
    // On a phone it scrolls by itself, by the keyboard as well.
    const frame = element("div", { className: "live-frame", role: "group", ariaLabel: "Figure" }, canvas);
    new ResizeObserver(() => {
      frame.tabIndex = frame.scrollWidth > frame.clientWidth ? 0 : -1;
    }).observe(frame);
    const note = element("p", { className: "live-note" });
    const spoken = element("p", { className: "live-spoken", role: "status" });
    const onSlide = () => figure.closest(".reveal");
    const lines = controls.map(({ label, values }, which) => {
      const slider = element("input", {
        type: "range", min: 0, max: values.length - 1, ariaLabel: label,
        oninput: () => move(which, Number(slider.value)),
        // On a slide the next key turns slides, once the pointer has let go, and so do those that
        // mean nothing to a slider: a presenter's remote sends them.
        onpointerup: () => onSlide() && slider.blur(),
        onkeydown: (event) => {
          if (!onSlide() || !["PageDown", "PageUp", " ", "n", "p"].includes(event.key)) return;
          event.preventDefault();
          slider.blur();
        },
      });
      const value = element("span", { className: "live-value" });
      const line = element("label", {}, element("span", { textContent: label }), slider, value);
      return { line, slider, value };
    });
    const reset = element("button", {
      type: "button", textContent: "Reset", title: "Put every control back",
      onclick: () => show(first, ""),
    });

    // The stored combination with this value of one control that is nearest for the others.
    function move(which, place) {
      const distance = (other) => other.reduce(
        (sum, each, i) => sum + Math.abs(each - at[i]) / controls[i].values.length, 0);
      const [nearest] = stored.filter((other) => other[which] === place)
        .sort((one, other) => distance(one) - distance(other));
      const moved = controls.filter((_, i) => i !== which && nearest[i] !== at[i]);
      show(nearest, moved.length ? `Moved as well: ${moved.map(({ label }) => label).join(", ")}` +
        ". Only some combinations are stored." : "");
    }

    async function show(places, message) {
      const turn = ++moves;
      at = places;
      lines.forEach(({ slider, value }, i) => {
        const { values, format } = controls[i];
        slider.value = at[i];
        slider.ariaValueText = value.textContent = written(values[at[i]], format);
      });
      note.textContent = message;
      const [number, alt] = pictures[at];
      const sheet = await load(Math.floor(number / rows));
      if (turn !== moves) return;  // there was another move
      const top = (number % rows) * height;
      canvas.getContext("2d").drawImage(sheet, 0, top, width, height, 0, 0, width, height);
      canvas.ariaLabel = alt;
      if (turn > 1) spoken.textContent = `${message} ${alt}`;
    }

    const sheets = {};
    const load = (number) => sheets[number] ??= (async () => {
      const sheet = element("img", { src: `${figure.dataset.folder}/${number}.webp` });
      await sheet.decode();
      return sheet;
    })();

    await show(first, "");
    const box = element("div", { className: "live-controls" }, ...lines.map(({ line }) => line));
    box.append(reset);
    figure.append(box, frame, note, spoken);
    // On a slide the controls stand above the picture where it is larger so than beside them.
    new ResizeObserver(() => {
      const { clientWidth: across, clientHeight: down } = figure;
      const above = Math.min(across / width, (down - 84) / height);
      const beside = Math.min((across - 300) / width, down / height);
      figure.classList.toggle("wide", above > beside);
    }).observe(figure);
    figure.classList.add("ready");
  }

  for (const figure of document.querySelectorAll(".live:not([data-found])")) {
    figure.dataset.found = "";  // once, where a page has this script twice
    if (!location.search.includes("print-pdf")) start(figure);
  }
}
