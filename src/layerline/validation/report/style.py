"""The page's style sheet, light and dark, and its one script: the search among the columns."""

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b1f27;--soft:#667085;
--line:#e1e5eb;--bar:#4c7fd6;--track:#edf0f5;--good:#1d7f4e;--good-soft:#e3f4ea;--warning:#8f5b00;
--warning-soft:#fdf1d8;--error:#b3261e;--error-soft:#fde7e5}
@media(prefers-color-scheme:dark){:root{--page:#12151a;--card:#1b1f27;--ink:#e7eaf0;--soft:#98a2b3;
--line:#2c323d;--bar:#7aa7f0;--track:#2a303b;--good:#6fd3a0;--good-soft:#16352a;--warning:#f0c274;
--warning-soft:#3a2e14;--error:#ff9d94;--error-soft:#421d1b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 12px}
h3{font-size:15px;margin:0;overflow-wrap:anywhere}
p{margin:0}.soft,.facts{color:var(--soft)}
.facts{font-size:13px;margin-bottom:10px}
.banner{margin:20px 0;padding:14px 18px;border-radius:10px;font-weight:600}
.banner.good{background:var(--good-soft);color:var(--good)}
.banner.warning{background:var(--warning-soft);color:var(--warning)}
.banner.error{background:var(--error-soft);color:var(--error)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}
.tile,.card,.note,.wide{background:var(--card);border:1px solid var(--line);border-radius:10px}
.tile{padding:12px 16px}.tile b{display:block;font-size:24px;font-weight:650;line-height:1.25;
overflow-wrap:anywhere}.tile span{color:var(--soft);font-size:13px}
.note{padding:10px 14px;margin-bottom:8px;border-left-width:4px;overflow-wrap:anywhere}
.note.error{border-left-color:var(--error)}.note.warning{border-left-color:var(--warning)}
.note .mark{margin-right:8px}details.note summary{cursor:pointer}
.mark{display:inline-block;font-size:12px;font-weight:600;padding:1px 8px;border-radius:99px;
margin:0 4px 4px 0}
.mark.error{background:var(--error-soft);color:var(--error)}
.mark.warning{background:var(--warning-soft);color:var(--warning)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(270px,1fr));gap:14px}
.card{padding:14px 16px;min-width:0}
.card.has-error{border-color:var(--error)}.card.has-warning{border-color:var(--warning)}
.card header{display:flex;justify-content:space-between;gap:8px;align-items:baseline}
.role{font-size:12px;color:var(--soft);white-space:nowrap}
.role.target{color:var(--bar);font-weight:650}
.histogram{display:block;width:100%;height:77px}.histogram rect{fill:var(--bar)}
.histogram line{stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}
.histogram .marks line{stroke:var(--ink);opacity:.35;stroke-dasharray:3 3}
.ends{display:flex;justify-content:space-between;color:var(--soft);font-size:12px;margin-top:2px}
.bar{display:grid;grid-template-columns:minmax(60px,38%) 1fr 48px;gap:8px;align-items:center;
font-size:13px;line-height:1.7}
.bar .name{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.bar .share{text-align:right;color:var(--soft)}
.track{display:block;height:8px;border-radius:4px;background:var(--track);overflow:hidden}
.track span{display:block;height:100%;background:var(--bar);border-radius:4px}
.missing{display:grid;grid-template-columns:64px 1fr;gap:8px;align-items:center;font-size:12px;
color:var(--warning);margin-top:8px}.missing .track span{background:var(--warning)}
.figures{display:flex;flex-wrap:wrap;gap:2px 14px;margin:10px 0 0;font-size:13px}
.figures div{display:flex;gap:6px;white-space:nowrap}
.figures dt{color:var(--soft)}.figures dd{margin:0;font-variant-numeric:tabular-nums}
.marks-said{margin:10px 0 -4px}.note p{margin:6px 0}.nothing{color:var(--soft);font-style:italic}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px}
th,td{text-align:left;padding:6px 12px;border-bottom:1px solid var(--line);white-space:nowrap;
max-width:340px;overflow:hidden;text-overflow:ellipsis}
tr:last-child td{border-bottom:0}th{color:var(--soft);font-weight:600}
.n{text-align:right;font-variant-numeric:tabular-nums}td.reason{white-space:normal;
min-width:220px;color:var(--error)}
input[type=search]{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);
border-radius:8px;padding:6px 12px;width:260px;max-width:100%}
.title{display:flex;justify-content:space-between;align-items:center;gap:12px;flex-wrap:wrap;
margin:40px 0 12px}.title h2{margin:0}
.class{display:flex;align-items:center;gap:14px;padding:8px 0;flex-wrap:wrap}
.class img{image-rendering:pixelated;height:56px;max-width:100%;border-radius:4px}
.class b{min-width:110px}.class span{color:var(--soft);font-size:13px;min-width:80px}
[hidden]{display:none}
"""

SCRIPT = """
const field=document.querySelector('input[type=search]');
field?.addEventListener('input',()=>{const words=field.value.toLowerCase();
for(const card of document.querySelectorAll('.card'))
card.hidden=!card.dataset.name.includes(words)});
"""
