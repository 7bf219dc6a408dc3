# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The style sheet of the page: no fonts, images or scripts from anywhere, light and dark, screen, phone and paper.

PRIVATE to this collection.
"""

from __future__ import annotations

CSS = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#16202c;--soft:#556273;--line:#dde2e8;--head:#eef1f5;
--ok:#12694a;--ok-bg:#e3f4ec;--warn:#8a5300;--warn-bg:#fdf1d8;--bad:#a3202c;--bad-bg:#fce7e8;--none:#4c5867;
--none-bg:#e9edf2;
--accent:#1f5fa8}
@media (prefers-color-scheme:dark){:root{--bg:#10151b;--card:#182029;--ink:#e4e9ef;--soft:#9aa8b8;--line:#2c3744;
--head:#1f2933;--ok:#6fd3a5;--ok-bg:#123328;--warn:#f0bd62;--warn-bg:#3a2c10;--bad:#ff9aa0;--bad-bg:#43191d;
--none:#b3bfcc;
--none-bg:#27313c;--accent:#82b6f2}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",
Arial,sans-serif}
.page{max-width:1120px;margin:0 auto;padding:20px 20px 48px}
header .over{margin:0;color:var(--soft);font-size:13px;letter-spacing:.02em}
h1{margin:2px 0 14px;font-size:26px;line-height:1.2;letter-spacing:-.01em}
h2{margin:0 0 10px;font-size:17px;letter-spacing:-.005em}
h3{margin:16px 0 6px;font-size:14px;color:var(--soft);font-weight:600}
p{margin:0 0 8px}
section,.verdict{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:16px 18px;
margin:0 0 14px}
.verdict{border-left:6px solid var(--none)}
.verdict p.say{margin:8px 0 0;font-size:18px;line-height:1.4;font-weight:600}
.verdict.ok{border-left-color:var(--ok)}.verdict.warn{border-left-color:var(--warn)}
.verdict.bad{border-left-color:var(--bad)}
.two{display:grid;grid-template-columns:1fr 1fr;gap:4px 28px;margin-top:10px}
.two h3{margin:8px 0 2px}
ul{margin:0;padding-left:18px}li{margin:1px 0}
.figures{display:grid;grid-template-columns:repeat(4,1fr);gap:10px;margin:0 0 14px;padding:0}
.figures div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 14px}
.figures dt{color:var(--soft);font-size:12.5px}
.figures dd{margin:0;font-size:20px;font-weight:600;font-variant-numeric:tabular-nums}
.figures dd.unknown{font-size:16px;font-weight:500;color:var(--soft)}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;margin:0}
.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:2px 16px;margin:0 0 14px;font-size:13.5px;line-height:1.9}
nav a{color:var(--accent);text-decoration:none}
nav a:hover,nav a:focus{text-decoration:underline}
.wide{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-size:13.5px;line-height:1.4}
caption{text-align:left;color:var(--soft);font-size:13px;padding:0 0 6px}
.wide+.wide,p+.wide{margin-top:14px}
th{text-align:left;font-weight:600;font-size:12.5px;color:var(--soft);background:var(--head);padding:6px 9px;
white-space:nowrap}
td{padding:7px 9px;border-top:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td ul{padding-left:15px}
td p{margin:0}
td.cut{min-width:128px}td.say{min-width:190px}td.verdict-cell{min-width:150px}
td.num{white-space:nowrap}
tr.chosen td{background:var(--ok-bg)}
tr.hit td{background:var(--bad-bg)}
td.num,td.time{font-variant-numeric:tabular-nums}
td.time,td.commit{white-space:nowrap}
code,.mono{font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere}
pre{margin:4px 0 0;padding:9px 11px;background:var(--head);border-radius:6px;white-space:pre-wrap;
overflow-wrap:anywhere;
font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.message{white-space:pre-wrap}
.unknown{color:var(--soft);font-style:italic}
.quiet{color:var(--soft);font-size:13px}
.chip{display:inline-block;padding:1px 8px;border-radius:10px;font-size:12.5px;font-weight:600;line-height:1.5;
white-space:nowrap;
color:var(--none);background:var(--none-bg)}
.chip.ok{color:var(--ok);background:var(--ok-bg)}.chip.warn{color:var(--warn);background:var(--warn-bg)}
.chip.bad{color:var(--bad);background:var(--bad-bg)}
tr.chosen .chip.ok,tr.hit .chip.bad{background:var(--card)}
svg{display:block;width:100%;min-width:600px;height:auto}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--soft)}
svg text.in{fill:var(--card);font-weight:700}
svg .axis{stroke:var(--line);stroke-width:2}
svg .lost{fill:var(--warn-bg)}
svg .ok{fill:var(--ok)}svg .warn{fill:var(--warn)}svg .bad{fill:var(--bad)}svg .none{fill:var(--none)}
svg .ring{fill:none;stroke:var(--ok);stroke-width:2.5}
svg .mark{stroke:var(--bad);stroke-width:2;stroke-dasharray:4 3}
ol.times{list-style:none;margin:0;padding:0}
ol.times li{display:grid;grid-template-columns:190px 14px 1fr;gap:0 12px;margin:0}
ol.times div{padding:4px 0;font-size:13px}
ol.times time,ol.times .notime{color:var(--soft);font-variant-numeric:tabular-nums}
ol.times i{position:relative;border-left:2px solid var(--line);margin-left:6px}
ol.times i::after{content:"";position:absolute;left:-6px;top:10px;width:10px;height:10px;border-radius:50%;
background:var(--none)}
ol.times .incident i::after{background:var(--bad)}ol.times .point i::after{background:var(--accent)}
ol.times .restore i::after,ol.times .release i::after,ol.times .rotation i::after{background:var(--ok)}
ol.times .containment i::after{background:var(--warn)}
ol.times p{margin:0;padding:4px 0}
ol.times small{color:var(--soft);font-size:12.5px;overflow-wrap:anywhere}
footer{color:var(--soft);font-size:12.5px}
@media (max-width:760px){
.page{padding:12px 10px 32px}h1{font-size:21px}section,.verdict{padding:13px 13px}
.figures{grid-template-columns:1fr 1fr}.two{grid-template-columns:1fr}
.facts{grid-template-columns:1fr}.facts dt{margin-top:6px;font-size:12.5px}
ol.times li{grid-template-columns:14px minmax(0,1fr)}ol.times div{grid-column:2;padding:4px 0 0}
ol.times i{grid-column:1;grid-row:1/3}ol.times p{padding:0 0 6px}
.cards thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.cards,.cards caption,.cards tbody,.cards tr,.cards td{display:block;width:100%}
.cards tr{border-top:2px solid var(--line);padding:8px 0}
.cards tr:first-child{border-top:0}
.cards td{border:0;min-width:0;padding:3px 6px;display:grid;grid-template-columns:112px 1fr;gap:8px}
.cards td::before{content:attr(data-label);color:var(--soft);font-size:12.5px}
td.time,td.commit{white-space:normal}
.verdict p.say{font-size:16.5px}
}
@media print{
:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--head:#eee;--ok:#0b4f37;
--warn:#6d4200;
--bad:#8a1620;--none:#333;--ok-bg:#fff;--warn-bg:#fff;--bad-bg:#fff;--none-bg:#fff;--accent:#000}
body{font-size:11px}.page{max-width:none;padding:0}nav{display:none}
section,.verdict{border-radius:0;padding:8px 10px;margin:0 0 8px}
tr,li,.verdict,.figures{break-inside:avoid}h2,h3{break-after:avoid}thead{display:table-header-group}
.chip{border:1px solid currentColor;padding:0 6px}.wide{overflow:visible}svg{min-width:0}table{font-size:10px}
tr.chosen td{border-top:2px solid #000;border-bottom:2px solid #000}
}
"""
