#!/usr/bin/env bash
# With a seed, random operations in a tf.data pipeline start over in each epoch: each image is flipped in all epochs or in none, and augmentation adds nothing.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorflow==2.21.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import keras, numpy as np, tensorflow as tf

print(f"tensorflow {tf.__version__}, keras {keras.__version__}, numpy {np.__version__}")
EPOCHS = 10
images = np.zeros((32, 2, 2, 1), np.float32)
images[:, :, 0] = 1


def versions(dataset):
    """How many of the images are seen both flipped and not, in ten epochs of `fit` with this data set."""
    seen = [set() for _ in images]

    class Watch(keras.Model):
        def call(self, batch):
            return batch

        def train_step(self, data):
            pixels, numbers = data
            epoch.append((pixels.numpy()[:, 0, 0, 0], numbers.numpy()))
            return {"loss": tf.constant(0.0)}

    epoch = []
    model = Watch()
    model.compile(run_eagerly=True)
    model.fit(dataset, epochs=EPOCHS, verbose=0)
    for pixels, numbers in epoch:
        for pixel, number in zip(pixels, numbers):
            seen[number].add(float(pixel))
    return sum(len(each) == 2 for each in seen)


def flip(image, number):
    return tf.image.random_flip_left_right(image), number


def flip_seeded(image, number):
    return tf.image.random_flip_left_right(image, seed=1), number


def noise(image, number):
    return tf.cast(tf.random.uniform([]) < 0.5, tf.float32) * tf.ones_like(image), number


pictures = tf.data.Dataset.from_tensor_slices((images, np.arange(32)))
found = {"no seed": versions(pictures.map(flip).shuffle(32).batch(8)), "seed of the operation": versions(pictures.map(flip_seeded).shuffle(32).batch(8))}
keras.utils.set_random_seed(1)
found["keras.utils.set_random_seed"] = versions(pictures.map(flip).shuffle(32).batch(8))
found["set_random_seed, tf.random.uniform"] = versions(pictures.map(noise).batch(8))
found["set_random_seed, shuffled first"] = versions(pictures.shuffle(32).map(flip).batch(8))
for name, count in found.items():
    print(f"{name}: {count} of 32 images are seen both flipped and not in {EPOCHS} epochs")
frozen = [count for name, count in found.items() if name not in ("no seed", "set_random_seed, shuffled first")]
sys.exit(not (found["no seed"] > 28 and frozen == [0, 0, 0] and found["set_random_seed, shuffled first"] > 28))
P
echo "expected: a seed makes the training repeatable, and each epoch different from the one before"
check
