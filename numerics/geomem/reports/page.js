"use strict";
// Draws the diagram, and follows its slider and its boxes; without it the still picture and the first table remain.
(async () => {
  const read = (name) => JSON.parse(document.getElementById(name).textContent);
  const held = document.getElementById("diagram-data");
  if (!held) return;
  const data = read("diagram-data");
  await Bokeh.embed.embed_item(read("diagram-figure"), "diagram");
  const drawn = Bokeh.documents[Bokeh.documents.length - 1];
  const model = (name) => drawn.get_model_by_name(name);
  const slider = document.getElementById("size");
  const boxes = data.blocks.map((_, block) => document.getElementById(`block-${block}`));
  const body = document.querySelector("#fates tbody");

  function kept(time, size) {
    let sum = 0;
    data.blocks.forEach((one, block) => {
      if (boxes[block].checked && time < one.opening && time > one.lost[size]) sum += one.count;
    });
    return sum;
  }

  function show() {
    const size = Number(slider.value);
    document.getElementById("size-said").textContent = data.sizes_said[size];
    slider.setAttribute("aria-valuetext", data.sizes_said[size]);
    model("size").location = data.sizes[size];
    model("kept").data = { ...model("kept").data, D: data.times.map((time) => kept(time, size)) };
    data.blocks.forEach((_, block) => { model(`line-${block}`).visible = boxes[block].checked; });
    [...body.rows].forEach((row, block) => {
      row.hidden = !boxes[block].checked;
      data.rows[size][block].forEach((text, place) => { row.cells[place].textContent = text; });
    });
  }

  slider.addEventListener("input", show);
  boxes.forEach((box) => box.addEventListener("change", show));
  document.documentElement.classList.add("drawn");
  show();
})();
