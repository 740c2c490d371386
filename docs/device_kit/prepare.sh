#!/bin/bash
# Builds what travels to the GPU machine into the git-ignored folder .gpu/ of the repository in which you stand:
#   bash prepare.sh PROJECT [port|cv|tf]...
# PROJECT is a checkout of the project that may be written to; it may be the repository itself. Stages in $HOME/.cache/gpu-stage.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")") project=$(readlink -f "$1") repo=$(git rev-parse --show-toplevel)
shift
out=$repo/.gpu work=${GPU_STAGE:-$HOME/.cache/gpu-stage} ignored=$(git rev-parse --git-path info/exclude)
grep -qx /.gpu/ "$ignored" 2>/dev/null || echo /.gpu/ >> "$ignored"
mkdir -p "$out" "$work"
# A call carries 64 MiB, the repository's own files included.
files=$(cd "$repo" && { git ls-files -co --exclude-standard; } | tr '\n' '\0' | du -cb --files0-from=- 2>/dev/null | tail -1 | cut -f1)
limit=$(( (63 * 1048576 - files) / 1048576 - 1 ))
[ -x "$work/tools/bin/uv" ] || { python3 -m venv "$work/tools"; "$work/tools/bin/pip" install -q 'nox[uv]' lz4; }
tools=$work/tools/bin

port() {  # wheels for the machine's Python 3.12, the project, the golden bundle and the scripts: one piece
    rm -rf "$out/port"; mkdir -p "$out/port/whl"
    for name in albumentations==1.3.1 qudida==0.0.4 captum securesystemslib cryptography cffi pycparser; do
        "$tools/pip" download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
            --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
            -d "$out/port/whl" "$name" 2>&1 | grep -v WARNING || true
    done
    git -C "$project" archive --format=tar.gz -o "$out/port/project.tar.gz" HEAD
    git -C "$project" rev-parse HEAD > "$out/port/commit"
    cp "$here"/{on_device.sh,pieces.py,ahead.py,more_images.py,bench_small.py,tf_check.py} "$out/port/"
    if [ ! -x "$project/.nox/parity/bin/python" ]; then (cd "$project" && "$tools/nox" -s parity -- --help > /dev/null); fi
    if [ -f "$work/golden-$(cat "$out/port/commit").npz" ]; then :; else
        (cd "$project" && PYTHONPATH=$project .nox/parity/bin/python "$here/golden.py" "$work/golden-$(cat "$out/port/commit").npz")
    fi
    cp "$work/golden-$(cat "$out/port/commit").npz" "$out/port/golden.npz"
    du -sm "$out/port"
}

cv() {  # the locked OpenCV: version 5 augments with other arithmetic
    local version; version=$(sed -n 's/^opencv-python-headless==\([^ ]*\).*/\1/p' "$project/requirements-torch.txt")
    rm -rf "$work/cv" "$out"/cv[0-9]* "$out/cv.cells"
    "$tools/pip" install -q --no-deps --only-binary=:all: --no-compile --target "$work/cv" "opencv-python-headless==$version"
    "$tools/python" "$here/pieces.py" pack "$work/cv" "$out" cv "$limit"
}

tf() {  # CPython 3.11, the locked TensorFlow with its GPU libraries cut down to this GPU and to float32 and float64
    local base tree=$work/tf lib
    base=$(python3 -c 'import sys; assert sys.version_info[:2] == (3, 11), "start this with Python 3.11"; print(sys.base_prefix)')
    rm -rf "$tree" "$out"/tf[0-9]* "$out/tf.cells"; mkdir -p "$tree/bin" "$tree/lib/spare"
    cp "$base/bin/python3.11" "$tree/bin/"
    cp -L "$base"/lib/libpython3.11.so.1.0 "$tree/lib/" 2>/dev/null || true
    for lib in ffi.so.8 bz2.so.1.0 lzma.so.5 z.so.1 sqlite3.so.0 ssl.so.3 crypto.so.3 uuid.so.1; do
        cp -L "/lib/x86_64-linux-gnu/lib$lib" "$tree/lib/spare/" 2>/dev/null || true  # used where the machine has none
    done
    tar -C "$base/lib" --exclude=site-packages --exclude=__pycache__ --exclude=test --exclude='config-*' --exclude=idlelib \
        --exclude=tkinter --exclude=ensurepip --exclude=lib2to3 --exclude='_tkinter*' -c python3.11 | tar -C "$tree/lib" -x
    [ -x "$work/env/bin/python" ] || {
        "$tools/uv" venv -q --python "$base/bin/python3.11" "$work/env"
        "$tools/uv" pip sync -q --python "$work/env/bin/python" --require-hashes "$project/requirements-tf-cuda.txt"
    }
    local from=$work/env/lib/python3.11/site-packages to=$tree/lib/python3.11/site-packages
    mkdir -p "$to"
    tar -C "$from" --exclude=__pycache__ --exclude=./nvidia --exclude=./clang --exclude=./tensorflow/include --exclude='*.pyc' \
        --exclude=./tensorflow/libtensorflow_cc.so.2 --exclude=./tensorboard_data_server --exclude=./grpc --exclude=./cryptography \
        --exclude=./tensorflow_io_gcs_filesystem --exclude=./networkx --exclude='./*/tests' \
        -c . | tar -C "$to" -x
    "$tools/python" "$here/slim.py" "$to/tensorflow/libtensorflow_cc.so.2" < "$from/tensorflow/libtensorflow_cc.so.2"
    local nv=$to/nvidia
    mkdir -p "$nv"/{cublas,cudnn,cuda_runtime,cuda_nvrtc,cufft,cusolver,cusparse}/lib "$nv"/cuda_nvcc/{bin,nvvm/libdevice}
    for lib in cublas/lib/libcublas.so.12 cublas/lib/libcublasLt.so.12 cudnn/lib/libcudnn_cnn_infer.so.8 cudnn/lib/libcudnn_cnn_train.so.8 \
        cudnn/lib/libcudnn_ops_infer.so.8 cudnn/lib/libcudnn_ops_train.so.8; do
        "$tools/python" "$here/slim.py" "$nv/$lib" --float-only < "$from/nvidia/$lib"
    done
    for lib in cudnn/lib/libcudnn.so.8 cuda_runtime/lib/libcudart.so.12 cuda_nvrtc/lib/libnvrtc.so.12 cuda_nvcc/bin/ptxas \
        cuda_nvcc/nvvm/libdevice/libdevice.10.bc; do cp "$from/nvidia/$lib" "$nv/$lib"; done
    cp "$from"/nvidia/cuda_nvrtc/lib/libnvrtc-builtins* "$nv/cuda_nvrtc/lib/"
    for lib in cufft.so.11 cusolver.so.11 cusparse.so.12; do  # TensorFlow opens them to register the GPU; this network needs nothing of them
        echo | gcc -shared -x c - -Wl,-soname,"lib$lib" -o "$nv/${lib%%.*}/lib/lib$lib"
    done
    strip --strip-unneeded "$to/tensorflow/libtensorflow_cc.so.2" "$tree"/lib/libpython*  # others break: their headers were edited
    [ "${GPU_AHEAD:-1}" = 0 ] || "$tools/python" "$here/ahead.py" "$to/tensorflow/libtensorflow_cc.so.2" "$nv/cuda_nvcc/bin/ptxas" "$(nproc)"
    cp "$here/legacy-python" "$tree/bin/legacy-python"
    du -sm "$tree"
    "$tools/python" "$here/pieces.py" pack "$tree" "$out" tf "$limit"
}

[ $# -gt 0 ] || set -- port cv tf
for part in "$@"; do "$part"; done
echo "the repository's own files take $((files / 1048576)) MiB; pieces of up to $limit MiB are in $out"
