"""
Training on the digits
======================

A small network on scikit-learn's handwritten digits: its curves, and the digits that it gets wrong.
"""

import matplotlib.pyplot as plt

from fastconv import data, nn, optim

# %%
# Two convolutions with batch normalisation; a quarter of the digits is set aside.

train, test = data.train_test_split(data.digits(), test_size=0.25, rng=0)
net = nn.CNN(rng=0)
for filters in (32, 64):
    net.add_layer(nn.Conv2D(filters, 3, padding=1)).add_layer(nn.BatchNormalization())
    net.add_layer(nn.ReLU()).add_layer(nn.MaxPool2D(2))
net.add_layer(nn.Flatten()).add_layer(nn.Dense(10))

# %%
# Training: images move by a pixel at random, and the learning rate follows half a cosine.

history = net.fit(
    train,
    optimizer=optim.Adam(3e-3),
    schedule=optim.CosineAnnealing(period=12),
    epochs=12,
    batch_size=32,
    transform=[data.RandomCrop(8, padding=1)],
    validation_data=test,
    rng=0,
    verbose=False,
)

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
epochs = range(1, len(history) + 1)
for axes, column in ((left, "loss"), (right, "accuracy")):
    axes.plot(epochs, history[column], label="training")
    axes.plot(epochs, history[f"val_{column}"], label="digits set aside")
    axes.set(xlabel="epoch", ylabel=column)
left.set_yscale("log")
left.legend()
print(f"{history['val_accuracy'][-1]:.1%} of {len(test)} digits in {sum(history['seconds']):.1f} s")

# %%
# What is left:

x, y = test[:]
guesses = net.predict(x).argmax(axis=1)
wrong = (guesses != y).nonzero()[0][:8]
figure, row = plt.subplots(1, max(len(wrong), 2), figsize=(8, 1.8), layout="constrained")
for axes in row:
    axes.axis("off")
for axes, i in zip(row, wrong, strict=False):
    axes.imshow(x[i, 0], cmap="gray_r")
    axes.set_title(f"{y[i]}, not {guesses[i]}")
