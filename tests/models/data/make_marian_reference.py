"""Small MarianMTModel weights and what Hugging Face's transformers computes with them.

    pip install torch==2.13.0 transformers==4.57.6 safetensors
    python tests/models/data/make_marian_reference.py

writes marian/{config.json,model.safetensors} and marian/outputs.npz beside this script, and the same for
marian_separate/, whose encoder, decoder and output each have their own embedding.
"""

from pathlib import Path

import numpy as np
import torch
from transformers import MarianConfig, MarianMTModel

HERE = Path(__file__).parent
PAD, EOS, PIECES, STEPS = 59, 0, 60, 12


def learn_to_reverse(model: MarianMTModel) -> None:
    """A little: untrained networks write one piece for ever, well trained ones leave nothing for a beam to choose."""
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    model.train()
    for _ in range(250):
        length = int(torch.randint(2, 9, ()))
        source = torch.randint(1, PAD, (64, length))
        source[:, -1] = EOS
        labels = torch.cat([source[:, :-1].flip(1), source[:, -1:]], 1)
        model(input_ids=source, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


def make(name: str, shared: bool, activation: str) -> None:
    torch.manual_seed(5)
    config = MarianConfig(
        vocab_size=PIECES, decoder_vocab_size=PIECES, d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48,
        activation_function=activation, max_position_embeddings=64, scale_embedding=True, pad_token_id=PAD,
        eos_token_id=EOS, decoder_start_token_id=PAD, forced_eos_token_id=None, bad_words_ids=[[PAD]],
        share_encoder_decoder_embeddings=shared, tie_word_embeddings=shared, init_std=0.1,
    )  # fmt: skip
    model = MarianMTModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1 and parameter.requires_grad:  # biases and norms are trivial at the start
                parameter += 0.2 * torch.randn_like(parameter)
        model.final_logits_bias.normal_(0, 0.1)
    learn_to_reverse(model)
    source = torch.randint(1, PAD, (12, 9))
    source[:, -1] = EOS
    for row in range(0, 12, 3):
        length = 4 + row // 3
        source[row, length:] = PAD
        source[row, length - 1] = EOS
    target = torch.randint(1, PAD, (12, 7))
    target[:, 0] = PAD
    mask = (source != PAD).long()
    with torch.no_grad():
        logits = model(input_ids=source, attention_mask=mask, decoder_input_ids=target).logits
        greedy, beam = (
            model.generate(input_ids=source, attention_mask=mask, num_beams=n, max_new_tokens=STEPS, do_sample=False)
            for n in (1, 4)
        )
    model.save_pretrained(HERE / name)
    (HERE / name / "generation_config.json").unlink()
    np.savez_compressed(
        HERE / name / "outputs.npz", source=source.numpy(), target=target.numpy(), logits=logits.numpy(),
        greedy=greedy.numpy(), beam=beam.numpy(),
    )  # fmt: skip


if __name__ == "__main__":
    make("marian", shared=True, activation="swish")
    make("marian_separate", shared=False, activation="relu")
