"""The report's style sheet, for light and dark screens and for print.

It has two accent colours: blue is the federated model, ochre what it is compared with. Shapes
repeat what colours say.
"""

from __future__ import annotations

from common.html import style

_LIGHT = "--ochre:#a3560a;--pool:#59646b;--thin:#aab3b5;--flip:#fff;"
_DARK = "--pool:#a9b5bb;--thin:#56636a;--flip:#0d1418;"

_TEXT = """
h1{font-size:clamp(1.9rem,1.3rem + 2.4vw,2.75rem);line-height:1.15;margin:.35rem 0 .7rem;
  letter-spacing:-.01em}
h2{font-size:1.2rem;line-height:1.3;margin:0}
h3{font-size:1.06rem;line-height:1.4;margin:2.6rem 0 .4rem}
h3:first-child{margin-top:0}
p{margin:0 0 1rem;max-width:43rem}
.note,figcaption,caption{color:var(--soft);font-size:.875rem;line-height:1.55}
ul{margin:0 0 1rem;padding-left:1.1rem;max-width:43rem}
li{margin:.15rem 0}
code,pre{font-size:.84rem}
pre{margin:0 0 1rem;padding:1rem 1.2rem;background:var(--wash);overflow-x:auto;line-height:1.9}
header{padding-top:4.5rem;padding-bottom:2.6rem}
header p{margin:0}
.about{font-size:1.08rem;color:var(--soft)}
.facts{margin-top:1.3rem!important;font-size:.9rem;max-width:none;color:var(--soft)}
.facts b{font-weight:600;color:var(--ink)}
.facts .stopped{color:var(--ochre)}
section{display:grid;grid-template-columns:9.5rem minmax(0,1fr);gap:0 3.2rem;padding:3.2rem 0;
  border-top:1px solid var(--rule)}
.lead{font-size:1.42rem;line-height:1.45;font-weight:500;text-wrap:pretty;margin:-.25rem 0 1rem;
  max-width:41rem}
.lead.small{font-size:1.14rem;max-width:43rem;margin-top:0}
footer{padding-top:1.6rem;padding-bottom:4rem}
"""

_PARTS = """
.figures{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:2.4rem 1.6rem;
  margin:2.6rem 0 0}
.figures dt{font-size:.875rem;color:var(--soft)}
.figures dd{margin:0;font-size:.875rem;color:var(--soft);line-height:1.45}
.figures b{display:block;font:500 1.72rem/1.35 var(--serif);color:var(--ink);
  font-variant-numeric:lining-nums;white-space:nowrap}
.figures .federated b{color:var(--blue)}
.figures .local b{color:var(--ochre)}
.scroll{margin:0 0 1rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;line-height:1.45;
  font-variant-numeric:tabular-nums lining-nums}
caption{text-align:left;padding:0 0 .9rem;max-width:43rem}
th,td{padding:.5rem 0 .5rem 1.2rem;text-align:right;vertical-align:baseline;font-weight:400;
  overflow-wrap:normal}
th:first-child,td:first-child{padding-left:0;text-align:left;overflow-wrap:anywhere;
  min-width:7.5rem}
thead th{color:var(--soft);font-size:.84rem;border-bottom:1px solid var(--ink);
  vertical-align:bottom}
tbody tr+tr>*{border-top:1px solid var(--rule)}
tfoot tr>*{border-top:1px solid var(--ink);font-weight:600}
tfoot tr+tr>*{border-top-color:var(--rule)}
td small,th small{display:block;color:var(--soft);font-size:.8rem;font-weight:400;
  white-space:nowrap}
td .say,th .say{white-space:normal}
th .say{max-width:34rem}
.num .rest{color:var(--soft);font-style:italic;text-align:left}
.words td,.words th{text-align:left}
.words th:first-child{min-width:4rem}
.words td{overflow-wrap:anywhere;min-width:5.6rem}
.num td{white-space:nowrap}
.heat table{width:auto;border-spacing:0}
.heat td{text-align:center;padding:.42rem .5rem;min-width:3.1rem;
  border:1px solid var(--paper)!important}
.heat thead th{text-align:center;padding:.3rem .4rem .5rem;border-bottom:0;overflow-wrap:anywhere;
  max-width:7rem;line-height:1.3}
.heat thead th:first-child{text-align:left;padding-left:0}
.heat tbody th{padding-right:1rem;max-width:11rem;border:0;position:sticky;left:0;
  background:var(--paper)}
.heat.many{font-size:.86rem}.heat.many td{min-width:2.6rem;padding:.3rem .2rem}
.heat.many thead th:not(:first-child){writing-mode:vertical-rl;transform:rotate(180deg);
  text-align:left;max-width:none;max-height:11rem;vertical-align:top;padding:.4rem 0}
.heat td.own{outline:2px solid var(--ink);outline-offset:-3px}
.pairs{display:grid;grid-template-columns:minmax(10rem,max-content) minmax(0,1fr);gap:.3rem 1.6rem;
  margin:0 0 1.4rem;font-size:.9rem}
.pairs dt{color:var(--soft)}.pairs dd{margin:0}
.points{margin:0 0 1.8rem;max-width:43rem}
.points dt{font:600 1.06rem/1.4 var(--serif);margin-top:1.6rem}
.points dt:first-child{margin-top:-.15rem}
.points dd{margin:.35rem 0 0}
.points p{margin:0 0 .3rem}
figure{margin:0 0 2.6rem}
figure:last-child{margin-bottom:0}
figcaption{margin:0 0 1rem;max-width:43rem}
figcaption b{display:block;font:600 1.06rem/1.5 var(--serif);color:var(--ink)}
.two{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:2.4rem}
.two figure{margin:0}
.chart{display:block;width:100%;height:auto;overflow:visible}
.narrow{display:none}
.chart text{font:400 12px var(--sans);fill:var(--ink);font-variant-numeric:tabular-nums}
.chart .tick,.chart .axis{fill:var(--soft)}
.chart .name{font-size:12.5px}
.chart .grid,.chart .rule{stroke:var(--rule);stroke-width:1}
.chart .whisker{stroke:currentColor;stroke-width:1.5}
.chart .federated,.chart .main{color:var(--blue)}
.chart .local{color:var(--ochre)}
.chart .pooled{color:var(--pool)}
.chart circle,.chart rect{fill:currentColor}
.chart .pooled path{fill:var(--paper);stroke:currentColor;stroke-width:1.6}
.chart .direct{fill:currentColor}
.chart .direct.strong,.chart .direct.main{font-weight:600}
.chart .direct.thin{fill:var(--soft)}
.chart .curve path{fill:none;stroke:currentColor;stroke-width:2.6;stroke-linejoin:round;
  stroke-linecap:round}
.chart .curve.thin{color:var(--thin)}
.chart .curve.thin path{stroke-width:1.3}
.chart .curve:hover path{stroke:var(--ochre)}
.chart .bar.first{fill:var(--blue)}
.chart .bar.second{fill:var(--thin)}
.chart .leader{stroke:var(--thin);stroke-width:.8;stroke-dasharray:1.5 2.5}
.note+.screen{margin-top:-.8rem}
.shelf{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:1.6rem;
  margin:1.2rem 0 0}
.shelf figure{margin:0;break-inside:avoid}
.shelf .layers{position:relative;background:#000}
.shelf img{display:block;width:100%;height:auto}
.shelf .layer{position:absolute;inset:0;height:100%}
.shelf .truth{filter:url(#tint-truth)}
.shelf .prediction{filter:url(#tint-prediction)}
.shelf figcaption{margin:.5rem 0 0}
.shelf figcaption b{font-size:.94rem}
.toggle{position:absolute;opacity:0}
.toggle+label{display:inline-block;margin:0 .5rem .3rem 0;padding:.38rem .85rem .38rem .7rem;
  border:1px solid var(--rule);border-radius:2rem;font-size:.875rem;cursor:pointer;
  color:var(--soft)}
.toggle+label::before{content:"";display:inline-block;width:.8rem;height:.8rem;margin-right:.55rem;
  vertical-align:-.08rem;border:2px solid currentColor;border-radius:50%}
.toggle:checked+label{color:var(--ink);border-color:var(--soft)}
#see-truth:checked+label::before{background:#ffb13d;border-color:#ffb13d;
  box-shadow:0 0 0 1px var(--ink)}
#see-prediction:checked+label::before{background:#45bdf5;border-color:#45bdf5;
  box-shadow:0 0 0 1px var(--ink)}
.toggle:focus-visible+label{outline:2px solid var(--blue);outline-offset:2px}
#see-truth:not(:checked)~.shelf .truth,
#see-prediction:not(:checked)~.shelf .prediction{visibility:hidden}
.tints{position:absolute;width:0;height:0}
"""

_SCREENS = """
@media screen and (max-width:52rem){
  section{grid-template-columns:minmax(0,1fr);padding:2.4rem 0}
  h2{margin-bottom:1.3rem;font-size:1.3rem}
  .figures{grid-template-columns:repeat(2,minmax(0,1fr))}
  header{padding-top:2.6rem}
}
@media screen and (max-width:40rem){
  main,header,footer{padding-left:1.25rem;padding-right:1.25rem}
  .lead{font-size:1.22rem}
  .two{grid-template-columns:minmax(0,1fr)}
  .wide{display:none}
  .narrow{display:block}
  .shelf{grid-template-columns:repeat(2,minmax(0,1fr));gap:1rem}
  .pairs{grid-template-columns:minmax(0,1fr);gap:0}
  .pairs dd{margin-bottom:.6rem}
  th,td{padding-left:.9rem}
  caption{max-width:calc(100vw - 3.5rem)}
}
@media print{
  @page{margin:18mm 16mm}
  body{background:#fff;font-size:10pt}
  main,header,footer{padding:0;max-width:none}
  header{padding-bottom:1.4rem}
  section{padding:1.6rem 0;grid-template-columns:7.5rem minmax(0,1fr);gap:0 1.6rem}
  h2,h3,dt{break-after:avoid}
  figure,tr,pre,dd,.figures{break-inside:avoid}
  .scroll{break-inside:avoid}
  tfoot{display:table-row-group}
  pre{white-space:pre-wrap}
  .figures{margin-top:1.6rem;gap:1.4rem}
  .figures b{font-size:1.35rem}
  .shelf{grid-template-columns:repeat(3,minmax(0,1fr))}
  th,td{padding-top:.3rem;padding-bottom:.3rem}
  .screen,.toggle,.toggle+label{display:none}
  .heat tbody th{position:static;background:none}
  .scroll{overflow:visible}
  .heat td,.chart *,.shelf *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
  .heat table{font-size:.75rem}
  .heat.many td{min-width:0;padding:.1rem;font-size:.5rem}
}
"""

SHADES = 9
"""Steps of the heat map's colours."""
_BRIGHT_SHARES = (0.04, 0.13, 0.23, 0.33, 0.43, 0.54, 0.86, 0.93, 1.0)
_DARK_SHARES = (0.04, 0.12, 0.2, 0.3, 0.4, 0.7, 0.8, 0.9, 1.0)


def _shades(
    accent: tuple[int, int, int], paper: tuple[int, int, int], shares: tuple[float, ...], flip: int
) -> str:
    """Steps from paper to accent.

    Those in the middle, on which neither black nor white text has a contrast of 4.5, are jumped
    over.
    """
    rules = []
    for number, share in enumerate(shares):
        colour = "".join(
            f"{round(p + (a - p) * share):02x}" for a, p in zip(accent, paper, strict=True)
        )
        ink = "--flip" if number >= flip else "--ink"
        rules.append(f".s{number}{{background:#{colour};color:var({ink})}}")
    return "".join(rules)


_HEAT = (
    _shades((13, 95, 138), (252, 252, 250), _BRIGHT_SHARES, 6)
    + "@media screen and (prefers-color-scheme:dark){"
    + _shades((103, 183, 225), (20, 25, 28), _DARK_SHARES, 5)
    + "}"
)

CSS = style(_LIGHT, _DARK, _TEXT + _PARTS + _SCREENS + _HEAT)
"""The whole style sheet on one line."""
