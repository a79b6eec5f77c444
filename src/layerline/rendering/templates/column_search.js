const field = document.querySelector('input[type=search]');
field.addEventListener('input', () => {
  const words = field.value.toLowerCase();
  for (const card of document.querySelectorAll('.card'))
    card.hidden = !card.dataset.name.includes(words);
});
