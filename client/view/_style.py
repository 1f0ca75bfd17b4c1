"""The page's style sheet and script, each allowed by its digest alone.

See Content Security Policy Level 3, section 2.3.1.

Two accents (blue: in order, ochre: look here) whose meaning the words repeat; text has a contrast
of 4.5 to 1 or more (WCAG 2.2, 1.4.3) in light and dark.
"""

from __future__ import annotations

from common.html import style

_LIGHT = "--ochre:#9a4f07;--stop:#9c2a1c;--on:#fff;--field:#7c878e;"
_DARK = "--stop:#f0a092;--on:#2a0f0a;--field:#7e8a91;"
_RULES = """
body{line-height:1.55}
h1{font-size:clamp(1.8rem,1.3rem + 2vw,2.5rem);line-height:1.15;margin:.3rem 0 .5rem;
letter-spacing:-.01em}
h2{font-size:1.15rem;line-height:1.35;margin:0}
p{margin:0 0 .9rem;max-width:43rem}
a{color:var(--blue)}
code{font-size:.86em}
header{padding-top:2.6rem;padding-bottom:1.6rem}
header p{margin:0}
.mark,.clock,.note,footer{color:var(--soft);font-size:.875rem}
.clock.late{color:var(--ochre);font-weight:600}
section{display:grid;grid-template-columns:9.5rem minmax(0,1fr);gap:0 3.2rem;padding:2rem 0;
border-top:1px solid var(--rule)}
section p:last-child,section dl:last-child{margin-bottom:0}
.lead{font-size:1.42rem;line-height:1.4;font-weight:500;margin:-.2rem 0 .9rem}
.lead.off{color:var(--stop)}
.lead.wait{color:var(--ochre)}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) minmax(0,1fr);gap:.35rem 1.6rem;
margin:0 0 1.2rem;font-size:.94rem}
dt{color:var(--soft)}
dd{margin:0;font-variant-numeric:tabular-nums}
dd.look,td.look,td .look,li.look{color:var(--ochre);font-weight:600}
meter{display:block;appearance:none;width:100%;max-width:20rem;height:.5rem;margin:.35rem 0 .2rem;
border:0}
meter::-webkit-meter-inner-element{display:block;height:100%}
meter::-webkit-meter-bar{display:block;height:100%;border:0;border-radius:.25rem;
background:var(--rule);overflow:hidden}
meter::-webkit-meter-optimum-value{background:var(--blue)}
meter::-moz-meter-bar{background:var(--blue)}
@supports selector(::-moz-meter-bar){meter{background:var(--rule)}}
ul{margin:0;padding-left:1.1rem;max-width:43rem}
form{display:flex;flex-wrap:wrap;align-items:end;gap:.9rem 1rem;margin:0 0 .9rem}
label{display:block;font-size:.875rem;color:var(--soft);margin:0 0 .25rem}
.field{flex:1 1 16rem;max-width:26rem}
input[type=text]{width:100%;min-height:2.9rem;padding:.5rem .7rem;font:inherit;color:inherit;
background:var(--paper);border:1px solid var(--field);border-radius:.3rem}
button{min-height:2.9rem;padding:.5rem 1.4rem;font:600 1rem/1.2 var(--sans);
border:1px solid transparent;border-radius:.3rem;cursor:pointer;background:var(--stop);
color:var(--on)}
button.go{background:var(--paper);color:var(--ink);border-color:var(--field)}
button:hover{text-decoration:underline}
table{border-collapse:collapse;width:100%;font-size:.9rem;line-height:1.4;
font-variant-numeric:tabular-nums lining-nums}
th,td{padding:.45rem 0 .45rem 1.2rem;text-align:left;vertical-align:baseline;font-weight:400;
overflow-wrap:normal}
th:first-child,td:first-child{padding-left:0}
thead th{color:var(--soft);font-size:.84rem;border-bottom:1px solid var(--ink);
vertical-align:bottom}
tbody tr+tr>*{border-top:1px solid var(--rule)}
td small,th small{display:block;color:var(--soft);font-size:.8rem}
.num{text-align:right;white-space:nowrap}
.when{white-space:nowrap}
.wide{min-width:15rem}
summary{cursor:pointer;color:var(--blue);font-size:.94rem;margin:.6rem 0 .9rem}
section:last-child{border-bottom:1px solid var(--rule)}
footer{padding-top:1.2rem;padding-bottom:3rem}
@media (max-width:44rem){main,header,footer{padding-left:1.1rem;padding-right:1.1rem}
section{grid-template-columns:minmax(0,1fr);gap:.9rem;padding:1.5rem 0}
.field{max-width:none}button{width:100%}
table,tbody,tr,th,td{display:block}thead{position:absolute;width:1px;height:1px;overflow:hidden;
clip-path:inset(50%)}
tbody tr{padding:.7rem 0;border-bottom:1px solid var(--rule)}tbody tr+tr>*{border-top:0}
th,td,td.num{padding:.15rem 0;text-align:left;white-space:normal}tbody th{font-weight:600}
td::before{content:attr(data-head) " ";color:var(--soft);font-weight:400}td small{display:inline}
td small::before{content:"· "}}
@media (forced-colors:active){button{border-color:ButtonText}}
"""

CSS = style(_LIGHT, _DARK, _RULES)
"""The whole style sheet on one line."""

SCRIPT = """"use strict";
(() => {
  const clock = document.getElementById("clock"), reader = new DOMParser();
  let mark = clock.dataset.mark, seen = clock.dataset.seen;
  const get = async (path) => {
    const signal = AbortSignal.timeout(8000);
    const answer = await fetch(path, { cache: "no-store", redirect: "error", signal });
    if (!answer.ok) throw new Error(answer.status);
    return answer;
  };
  const say = (text, late) => { clock.textContent = text; clock.classList.toggle("late", late); };
  const swap = (fresh) => {
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const old = document.getElementById(part.id), active = document.activeElement;
      const held = old && old.contains(active) && active.id;
      for (const fold of part.querySelectorAll("details")) {
        fold.open = Boolean(document.getElementById(fold.id)?.open);
      }
      if (!old || old.outerHTML === part.outerHTML) continue;
      old.replaceWith(part);
      if (held) document.getElementById(held)?.focus({ preventScroll: true });
    }
  };
  const look = async () => {
    try {
      const state = await (await get("status.json")).json();
      if (state.mark !== mark) {
        swap(reader.parseFromString(await (await get("./")).text(), "text/html"));
        mark = state.mark;
      }
      seen = state.clock;
      say("Live, as of " + seen, false);
    } catch {
      say("Not live any more: the view has ended or does not answer. This is as of " + seen, true);
    }
    setTimeout(look, 2000);
  };
  look();
})();
"""
