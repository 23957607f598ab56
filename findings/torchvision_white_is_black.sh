#!/usr/bin/env bash
# torchvision's to_dtype and convert_image_dtype turn white to black: 1.0 of float16 or bfloat16 becomes 0 of uint8, and 1.0 of float32 becomes 0 of uint16; equalize of half precision and adjust_gamma of uint16 with them.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torchvision==0.29.1 torch==2.14.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import torch

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    from torchvision import transforms, tv_tensors
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional

    torch.set_num_threads(1)
    print(*(f"{name} {version(name)}" for name in ("torchvision", "torch")))
    shades = [0.0, 0.5, 0.995, 1.0]
    found = {}
    for kind in (torch.float32, torch.float16, torch.bfloat16):
        image = tv_tensors.Image(torch.tensor([[shades]]).to(kind))
        for target in (torch.uint8, torch.uint16):
            name = str(kind)[6:], str(target)[6:]
            found[name] = v2.ToDtype(target, scale=True)(image).flatten().tolist()
            print(f"{name[0]} {shades} as {name[1]}: {found[name]}")
        found["v1", name[0]] = transforms.ConvertImageDtype(torch.uint8)(image).flatten().tolist()
        found["equalize", name[0]] = [round(each, 2) for each in functional.equalize(image).flatten().tolist()]
        print(f"{name[0]}: ConvertImageDtype of version 1 {found['v1', name[0]]}, equalize {found['equalize', name[0]]}")
    back = {str(kind)[6:]: functional.to_dtype(functional.to_dtype(torch.tensor([[[255]]], dtype=torch.uint8), kind, scale=True), torch.uint8, scale=True).item() for kind in (torch.float32, torch.float16, torch.bfloat16)}
    print("255 as a float and back:", back)
    white = tv_tensors.Image(torch.tensor([[[65535]]], dtype=torch.int32).to(torch.uint16))
    found["gamma"] = functional.adjust_gamma(white, 2.0).item(), functional.adjust_brightness(white, 1.0).item()
    found["from uint8"] = functional.to_dtype(tv_tensors.Image(torch.tensor([[[255]]], dtype=torch.uint8)), torch.uint16, scale=True).item()
    print(f"65535 of uint16: adjust_gamma {found['gamma'][0]}, adjust_brightness by 1 {found['gamma'][1]}; 255 of uint8 as uint16 {found['from uint8']}")
print("warnings:", [str(each.message)[:80] for each in said] or "none")
right = found["float32", "uint8"] == [0, 127, 254, 255] and back["float32"] == 255
wrong = found["float16", "uint8"][-1] == found["bfloat16", "uint8"][-1] == found["float32", "uint16"][-1] == back["float16"] == back["bfloat16"] == found["gamma"][0] == found["v1", "float16"][-1] == 0
sys.exit(not (right and wrong and found["equalize", "float16"][-1] == 0))
P
echo "expected: 1.0 is 255 of uint8 and 65535 of uint16, as from float32 to uint8"
check
