"""What learns in the page: steps down the gradient of a row, and the playground."""

import dataclasses

from exhibits import table_exhibit, write_page


def test_steps_lower_the_loss_and_the_playground_learns(browse, tmp_path) -> None:
    page = write_page(table_exhibit(hidden=[6, 5]), tmp_path)
    steps = """(() => {
      document.getElementById('tab-backward').click();
      const rate = [...document.querySelectorAll('#backward select')].at(-1);
      rate.value = '0.1'; rate.dispatchEvent(new Event('change'));
      return Array.from({length: 5}, () => {
        document.querySelector('#backward .primary').click();
        return document.querySelector('#backward .big').innerText;
      });
    })()"""
    learn = """(() => {
      document.getElementById('tab-playground').click();
      const units = document.getElementById('units');
      const places = (units.clientWidth / 3) * devicePixelRatio;
      const copy = new OffscreenCanvas(units.width, units.height);
      const pixels = copy.getContext('2d', {willReadFrequently: true});
      pixels.drawImage(units, 0, 0);
      const seen = () => [0, 1, 2].map((level) => pixels.getImageData(
        level * places + 5, 0, 20, units.height).data.filter((part) => part > 0).length);
      const first = [seen(), units.toDataURL()];
      const one = [...document.querySelectorAll('#playground button')]
        .find((button) => button.textContent === 'One epoch');
      for (let epoch = 0; epoch < 30; epoch++) one.click();
      return [document.getElementById('learnt').innerText, first[0],
        first[1] !== units.toDataURL(), document.getElementById('curves').innerText];
    })()"""
    losses, (learnt, drawn, is_new, curves) = browse(page, steps, learn)
    ends = [float(text.rpartition("→")[2].replace("−", "-")) for text in losses]
    assert ends == sorted(ends, reverse=True)
    assert "epoch 30 of 300" in learnt
    assert float(learnt.split(", ")[-1].split(" ")[0]) > 80
    assert min(drawn[1:]) > drawn[0] > 0  # two inputs, then two layers of eight units
    assert is_new
    assert "Loss by epoch" in curves
    assert "100" in curves  # a tick


def test_the_playground_takes_the_two_columns_that_tell_most(browse, tmp_path) -> None:
    exhibit = table_exhibit(hidden=[6], n_rows=60)
    rows = exhibit.sample.rows.assign(a=1.0)  # a constant tells nothing
    rows["c"] += 3 * (exhibit.sample.actual == 1)
    rows["d"] += 2 * (exhibit.sample.actual == 1)
    sample = dataclasses.replace(exhibit.sample, rows=rows)
    own = """(() => {
      document.getElementById('tab-playground').click();
      const [problem, ...lists] = document.querySelectorAll('#playground select');
      problem.value = 'own'; problem.dispatchEvent(new Event('change'));
      const chosen = lists.slice(0, 2).map((list) => list.value);
      lists[0].value = 'a'; lists[0].dispatchEvent(new Event('change'));
      const one = [...document.querySelectorAll('#playground button')]
        .find((button) => button.textContent === 'One epoch');
      one.click();
      return [chosen, document.getElementById('learnt').innerText];
    })()"""
    ((chosen, learnt),) = browse(write_page(exhibit._replace(sample=sample), tmp_path), own)
    assert chosen == ["c", "d"]
    assert "epoch 1 of" in learnt
    assert "NaN" not in learnt
