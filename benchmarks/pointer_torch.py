"""The translator's network in PyTorch, trained once over given lines, for `translator_ablation.py`; runs in its own
environment (one core trains three times as fast there, in bfloat16).

    python pointer_torch.py ROWS OUT.json --dim 256 --encoder 4 --decoder 2

ROWS holds train.tsv (source, English), valid.tsv (clean source, English, source as read by OCR) and joint.model.
"""

import argparse
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import sacrebleu
import torch
from sentencepiece import SentencePieceProcessor
from torch import Tensor, nn
from torch.nn import functional as F

END, PAD = 0, 2
LONGEST_SOURCE, LONGEST_TARGET = 90, 48
Row = tuple[list[int], list[int]]


class DecoderLayer(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.own = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.cross = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, causal: Tensor, memory: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """-> x [B, T, dim], attention to the source [B, T, S]."""
        y = self.norms[0](x)
        x = x + self.own(y, y, y, attn_mask=causal, need_weights=False)[0]
        y, attention = self.cross(self.norms[1](x), memory, memory, key_padding_mask=hidden)
        x = x + y
        return x + self.feed(self.norms[2](x)), attention


class PointerTranslator(nn.Module):
    """As models/pointer.py, without dropout: no line is seen twice."""

    def __init__(self, vocabulary: int, dim: int, encoder: int, decoder: int, heads: int = 4) -> None:
        super().__init__()
        self.dim = dim
        self.embedding = nn.Embedding(vocabulary, dim)
        nn.init.normal_(self.embedding.weight, 0, dim**-0.5)
        layer = nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, encoder, nn.LayerNorm(dim), enable_nested_tensor=False)
        self.decoder = nn.ModuleList(DecoderLayer(dim, heads) for _ in range(decoder))
        self.norm, self.gate = nn.LayerNorm(dim), nn.Linear(2 * dim, 1)
        angle = torch.arange(256)[:, None] / 10000 ** (torch.arange(0, dim, 2) / dim)
        self.register_buffer("positions", torch.stack([angle.sin(), angle.cos()], -1).flatten(1), persistent=False)

    def embed(self, ids: Tensor) -> Tensor:
        return self.embedding(ids) * math.sqrt(self.dim) + self.positions[: ids.shape[1]]

    def encode(self, source: Tensor) -> Tensor:
        return self.encoder(self.embed(source), src_key_padding_mask=source == PAD)

    def decode(self, given: Tensor, memory: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> vectors [B, T, dim], attention [B, T, S] and the share that is copied [B, T, 1]."""
        steps = given.shape[1]
        causal = torch.ones(steps, steps, dtype=torch.bool).triu(1)
        x = self.embed(given)
        for layer in self.decoder:
            x, attention = layer(x, causal, memory, source == PAD)
        x = self.norm(x)
        gate = self.gate(torch.cat([x, attention.to(memory.dtype) @ memory], -1)).float().sigmoid()
        return x, attention, gate

    def losses(self, source: Tensor, target: Tensor) -> Tensor:
        """Negative log-probability of each piece of the targets [pieces]."""
        given = F.pad(target, (1, -1), value=PAD).masked_fill(F.pad(target, (1, -1), value=PAD) == END, PAD)
        x, attention, gate = self.decode(given, self.encode(source), source)
        kept = target != PAD
        written = -F.cross_entropy((x[kept] @ self.embedding.weight.t()).float(), target[kept], reduction="none")
        copied = (attention * (source[:, None] == target[..., None])).sum(-1)[kept]
        share = gate[..., 0][kept]
        return -torch.log((1 - share) * written.exp() + share * copied + 1e-9)

    @torch.no_grad()
    def write(self, source: Tensor) -> Tensor:
        """Greedy: source [B, S] -> pieces [B, T]."""
        memory, written = self.encode(source), torch.full((len(source), 1), PAD)
        for _ in range(min(LONGEST_TARGET, source.shape[1] + 4)):
            x, attention, gate = (each[:, -1] for each in self.decode(written, memory, source))
            chances = (x @ self.embedding.weight.t()).float().softmax(-1) * (1 - gate)
            chances = chances.scatter_add(-1, source, attention.float() * gate)
            done = (written[:, 1:] == END).any(1)
            written = torch.cat([written, chances.argmax(-1).masked_fill(done, END)[:, None]], 1)
            if bool(done.all()):
                break
        return written[:, 1:]


def padded(rows: list[list[int]]) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


def batches(rows: list[Row], tokens: int) -> Iterator[list[Row]]:
    """All rows once, those of a batch about equally long, the batches in random order."""
    groups: list[list[Row]] = [[]]
    for row in sorted(rows, key=lambda row: (len(row[0]), len(row[1]))):
        if (len(row[0]) + 2 * len(row[1])) * (len(groups[-1]) + 1) > tokens:
            groups.append([])
        groups[-1].append(row)
    random.Random(0).shuffle(groups)
    return iter(groups)


def train(model: PointerTranslator, rows: list[Row], args: argparse.Namespace) -> None:
    steps = list(batches(rows, args.tokens))
    optimizer = torch.optim.AdamW(model.parameters(), args.lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    for number, some in enumerate(steps):
        rate = min(1.0, (number + 1) / args.warmup) * 0.5 * (1 + math.cos(math.pi * number / len(steps)))
        optimizer.param_groups[0]["lr"] = args.lr * rate
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.losses(padded([row[0] for row in some]), padded([row[1] for row in some])).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if number % 100 == 0:
            print(f"{number}/{len(steps)} {loss.item():.3f}", flush=True)


@torch.no_grad()
def tested(model: PointerTranslator, pieces: SentencePieceProcessor, pairs: list[tuple[str, str]]) -> dict[str, float]:
    """Mean loss of a piece, and BLEU, of (source, English)."""
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))
    total, count, written = 0.0, 0, [""] * len(pairs)
    for first in range(0, len(order), 64):
        some = order[first : first + 64]
        source, target = encoded(pieces, [pairs[i] for i in some])
        losses = model.losses(source, target)
        total, count = total + losses.sum().item(), count + len(losses)
        for i, row in zip(some, model.write(source).tolist(), strict=True):
            written[i] = pieces.decode(row[: row.index(END)] if END in row else row)
    bleu = sacrebleu.corpus_bleu(written, [[english for _, english in pairs]], lowercase=True).score
    return {"loss": round(total / count, 3), "bleu": round(bleu, 2)}


def numbers(pieces: SentencePieceProcessor, source: str, english: str) -> Row:
    return pieces.encode(source)[:LONGEST_SOURCE] + [END], pieces.encode(english)[:LONGEST_TARGET] + [END]


def encoded(pieces: SentencePieceProcessor, pairs: list[tuple[str, str]]) -> tuple[Tensor, Tensor]:
    rows = [numbers(pieces, *pair) for pair in pairs]
    return padded([row[0] for row in rows]), padded([row[1] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    for name, value in (("dim", 256), ("encoder", 4), ("decoder", 2), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--tokens", type=int, default=3000, help="padded pieces of a batch")
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--warmup", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    pieces = SentencePieceProcessor(model_file=str(args.rows / "joint.model"))
    lines = [
        [line.split("\t") for line in (args.rows / f"{part}.tsv").read_text("utf-8").splitlines()]
        for part in ("train", "valid")
    ]
    model = PointerTranslator(pieces.get_piece_size(), args.dim, args.encoder, args.decoder)
    begun = perf_counter()
    train(model, [numbers(pieces, *line) for line in lines[0]], args)
    report: dict[str, object] = {"minutes": round((perf_counter() - begun) / 60, 1)}
    report["parameters"] = sum(each.numel() for each in model.parameters())
    model.eval()
    for name, column in (("clean", 0), ("ocr", 2)):
        found = tested(model, pieces, [(line[column], line[1]) for line in lines[1]])
        report |= {f"{key}_{name}": value for key, value in found.items()}
    args.out.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
