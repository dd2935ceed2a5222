"""One CUBA-LIF neuron, step by step: integers on a grid, a strict threshold, a reset.

Run: python examples/01_one_neuron.py
"""

import numpy as np

from refboot.neuron import cuba

neuron = cuba.Neuron(threshold=1.25, current_decay=1, voltage_decay=0.03)
z = np.full((1, 1, 8), 0.7, np.float32)  # weighted input (N, C, T), constant
trace = neuron.trace(z)

print(f"on the chip: {neuron.device_params}")
mantissa = neuron.v_th_mant
print(f"threshold: {mantissa} / 64 = {neuron.threshold}, in state units {mantissa * 64}\n")
print(" t   input   current u   voltage v   v / 4096   spike")
for t in range(z.shape[-1]):
    u, v, s = trace.u[0, 0, t], trace.v[0, 0, t], trace.s[0, 0, t]
    print(f"{t:2d} {z[0, 0, t]:7.3f} {u:11d} {v:11d} {v / 4096:10.4f} {int(s):7d}")
print(f"\nrate: {trace.s.mean()} spikes per step")
