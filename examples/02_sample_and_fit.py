"""Sample a spiking neuron, fit its rate curve, compare the two.

Run: python examples/02_sample_and_fit.py
"""

import numpy as np

from refboot.ann_sampler import AnnSampler
from refboot.neuron import cuba

T = 16
neuron = cuba.Neuron(threshold=1.25, current_decay=1, voltage_decay=0.03)
sampler = AnnSampler()

rng = np.random.default_rng(0)
mean = rng.uniform(-0.5, 2, size=(64, 64, 1))
# The weighted input of a layer of 64 neurons for 64 samples.
z = (mean + rng.normal(0, 0.3, size=(64, 64, T))).astype(np.float32)
# SAMPLE: one point (mean input, rate) for each neuron and sample.
sampler.append(neuron.forward(z), z)
# FIT: medians in five bands of the rate, joined by lines.
sampler.fit()

print("knots of the curve (weighted input z, rate a):")
for knot in sampler.centers:
    print(f"  {knot[0]:8.4f} {knot[1]:8.4f}")

print("\n   z    ANN: curve    SNN: rate")
for value in np.linspace(-0.25, 1.75, 9):
    noisy = (value + rng.normal(0, 0.3, size=(1000, 1, T))).astype(np.float32)
    curve = sampler.forward(np.float32([[value]]))[0, 0]
    print(f"{value:6.2f} {curve:11.3f} {neuron.forward(noisy).mean():12.3f}")
