# A small training run that saves its state when it is told to stop, and goes on from there.
import os
import pathlib
import signal
import sys
import time

import torch

state = pathlib.Path("checkpoint.pt")
out = pathlib.Path(os.environ["MILLRACE_OUTPUT"])
steps, pace = int(sys.argv[1]), float(sys.argv[2])
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
torch.manual_seed(1)
torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
inputs = torch.randn(256, 8)
targets = torch.sin(inputs.sum(1, keepdim=True))
begin = 0
if state.exists():
    saved = torch.load(state)
    model.load_state_dict(saved["model"])
    optimiser.load_state_dict(saved["optimiser"])
    begin = saved["step"]
    print("goes on from step", begin, flush=True)
for step in range(begin, steps):
    if told:
        torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step}, state)
        print("saved at step", step, flush=True)
        sys.exit(0)
    loss = torch.nn.functional.mse_loss(model(inputs), targets)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step == begin:
        print("trains", flush=True)
    time.sleep(pace)
final = torch.nn.functional.mse_loss(model(inputs), targets).item()
(out / "loss.txt").write_text(f"{final:.12g}")
