#!/bin/bash
# Runs on the GPU machine: bash on_device.sh STAGE[:SECONDS]... ; README.md says what each stage is for.
# What is kept lies in $HOME/gpu; results go to $OUT after every stage, so that a call that is cut off still brings them.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")") g=${GPU_ROOT:-$HOME/gpu} device=${GPU_DEVICE:-cuda}
mkdir -p "$g/pieces" "$g/out" "$OUT"
export PYTHONUNBUFFERED=1 NO_ALBUMENTATIONS_UPDATE=1 TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-1} CUDA_CACHE_PATH=$g/ptx-cache
export PARITY_PORT_PYTHON=$g/port-python PARITY_LEGACY_PYTHON=$g/tf/bin/legacy-python CUDA_CACHE_MAXSIZE=4294967296
[ -f "$g/spare" ] && export GPU_SPARE=1

setup() {  # the project and what it needs beside the machine's own Python
    cp -r "$here"/. "$g/"
    mkdir -p "$g/project"
    tar -C "$g/project" -xzf "$g/project.tar.gz"
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$g/site" "$g"/whl/*.whl
    # The project starts its sides with a PYTHONPATH of its own: so that they find the wheels, their Python is this script.
    printf '#!/bin/sh\nexport PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}%s"\nexec "%s" "$@"\n' "$g/site" "$(command -v python3)" > "$g/port-python"
    chmod +x "$g/port-python"
    mkdir -p "$CUDA_CACHE_PATH"; cat "$g"/ptx-cache.xz.* 2>/dev/null | xz -dc 2>/dev/null | tar -C "$CUDA_CACHE_PATH" -x 2>/dev/null; true
}
opencv() {  # the locked OpenCV in the place of the machine's
    rm -rf "$g/cv" && mkdir "$g/cv" && cp -r .gpu/cv[0-9]* "$g/cv/" && python3 "$g/pieces.py" unpack "$g/cv" "$g/site"
}
keep() { cp -r .gpu/tf[0-9]* "$g/pieces/" && ls "$g/pieces"; }  # TensorFlow's pieces, as they come
facts() {
    nvidia-smi; ls -l /dev/nvidia*; nproc; free -g | head -2; df -h /dev/shm /tmp | cat; command -v gcc ptxas xz
    (cd "$g/project" && PYTHONPATH=$g/project "$g/port-python" -c '
import platform, cv2, torch, numpy, PIL, lightning, torchmetrics, albumentations
print(platform.python_version(), [f"{m.__name__} {m.__version__}" for m in (torch, numpy, cv2, PIL, lightning, torchmetrics, albumentations)])
print("AVX2 in OpenCV:", "AVX2" in cv2.getBuildInformation(), "; cuda:", torch.cuda.is_available() and torch.cuda.get_device_name())')
}
guard() {  # the port on the GPU against what the legacy did on a CPU; its folder also gives data and weights to the benchmark
    [ "$device" = cpu ] || ls /dev/nvidia[0-9]* > /dev/null 2>&1 || touch /dev/nvidia0
    cd "$g/project" && PYTHONPATH=$g/project "$g/port-python" -m parity guard --bundle "$g/golden.npz" --device "$device" --out "$g/guard"
}
images() {  # data and weights for the benchmarks, where the stage guard did not come to them
    [ -f "$g/guard/weights/legacy.npz" ] || (cd "$g/project" && PYTHONPATH=$g/project "$g/port-python" -c "
from pathlib import Path; from parity.golden.guard import open_bundle; from parity.workspace import Workspace
open_bundle(Path('$g/golden.npz'), Workspace(Path('$g/guard')))")
    [ -f "$g/many-$1/done" ] || { rm -rf "$g/many-$1"; "$g/port-python" "$g/more_images.py" "$g/guard/data" "$g/many-$1" "$1" && touch "$g/many-$1/done"; }
}
bench() {  # bench PROGRAM NAME COPIES WORDS...
    local program=$1 name=$2 copies=$3; shift 3
    images "$copies" && cd "$g/project" && PYTHONPATH=$g/project "$g/port-python" $program run --device "$device" --data "$g/many-$copies" \
        --checkpoint "$g/guard/weights/legacy.npz" --out "$g/bench-$name" "$@"
}
collect() {  # what a stage has left, also where it was cut off
    local folder
    for folder in "$g"/bench-*; do
        [ -f "$folder/results.json" ] && cp "$folder/results.json" "$g/out/$(basename "$folder").json"
        [ -f "$folder/report.md" ] && cp "$folder/report.md" "$g/out/$(basename "$folder").md"
        [ -d "$folder/logs" ] && tar -C "$folder" -czf "$g/out/$(basename "$folder")-logs.tgz" logs
    done
    for folder in guard parity; do
        [ -f "$g/$folder/report/report.json" ] && cp "$g/$folder/report/report.json" "$g/out/$folder.json"
        [ -d "$g/$folder/log" ] && tar -C "$g/$folder" -czf "$g/out/$folder-log.tgz" log
    done
    tar -C "$g/out" -czf "$OUT/out.tgz" .
}
small="$g/bench_small.py" whole="-m benchmarks"
large() { bench "$small" large 2 --what compute --batch-sizes 128,256 --precision tf32,bf16; }
scaled() { bench "$small" scaled 2 --what compute --batch-sizes 256 --precision tf32,bf16 --image-scale 0.1867; }
compiled() { GPU_ROUNDS=4 bench "$whole" compiled 2 --what compute --batch-sizes "${GPU_SIZE:-32}" --precision fp32,bf16; }
data() { GPU_ROUNDS=2 bench "$small" data 10 --what data; }
predict() { GPU_ROUNDS=2 bench "$small" predict 20 --what inference --batch-sizes 32 --precision tf32,bf16; }
tf() {  # unpack TensorFlow; see whether it finds the GPU, and how long its first steps take
    python3 "$g/pieces.py" unpack "$g/pieces" "$g/tf" && chmod +x "$g"/tf/bin/* || return
    "$g/tf/bin/legacy-python" -c 'import ctypes, ssl, bz2, lzma, sqlite3, zlib' || { touch "$g/spare"; export GPU_SPARE=1; }
    check() { (cd "$g/project" && PYTHONPATH=$g/project TF_CPP_MIN_LOG_LEVEL=0 "$g/tf/bin/legacy-python" "$g/tf_check.py" "$device"); }
    check && return
    echo "-- again, with the machine code that was compiled ahead hidden: the driver compiles it now"
    python3 "$g/ahead.py" "$g/tf/lib/python3.11/site-packages/tensorflow/libtensorflow_cc.so.2" --undo && check
}
both() { bench "$small" both 2 --what compute,gradcam --batch-sizes "${GPU_SIZES:-8,32,64}"; }
both_epoch() { GPU_ROUNDS=2 bench "$small" both-epoch 20 --what epoch --batch-sizes "${GPU_SIZE:-32}" --precision tf32,bf16; }
parity() {  # both sides on the GPU through every gate
    images 2 && cd "$g/project" && PYTHONPATH=$g/project "$g/port-python" -m parity run --profile guard --device "$device" --data "$g/guard/data" \
        --checkpoint "$g/guard/weights/legacy.npz" --gates "${GPU_GATES:-freeze,config,numerics,decode,preprocess,augment,loader,weights,blocks,inference,loss,gradients,optimizer,bn_state,schedule,commands,lockstep,metrics,decisions,gradcam}" --out "$g/parity"
}

for word in "$@"; do
    stage=${word%%:*} limit=${word#*:}; [ "$limit" = "$word" ] && limit=300
    began=$(date +%s)
    export -f "$stage" bench images; export g here device OUT small whole
    timeout -k 5 "$limit" bash -c "$stage" > "$g/out/$stage.txt" 2>&1
    code=$?
    echo "== $stage: code $code, $(( $(date +%s) - began )) s"; tail -n "${GPU_LINES:-25}" "$g/out/$stage.txt" | cut -c1-200
    collect 2>/dev/null
    [ "$stage" = setup ] && [ "$code" != 0 ] && exit 1
done
[ -n "$(ls -A "$CUDA_CACHE_PATH" 2>/dev/null)" ] && du -sm "$CUDA_CACHE_PATH" && tar -C "$CUDA_CACHE_PATH" -c . | xz -1 | split -b 15M - "$OUT/ptx-cache.xz."
true
