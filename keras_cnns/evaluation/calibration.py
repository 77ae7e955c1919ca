"""Whether a model that says 80% is right 8 times out of 10, and the temperature that mends it.

After Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks,
arXiv:1706.04599.
"""

import numpy as np

BINS = 15  # of equal width, as the paper's tables
COLDEST, HOTTEST = 1e-3, 1e3  # temperatures beyond which no optimum is looked for


def reliability(confidence, right, bins=BINS):
    """How often answers of each confidence are right.

    Args:
        confidence: float (n,), the probability of each answer, 0..1.
        right: bool (n,).
        bins: how many intervals (low, high] of equal width.

    Returns:
        One {"low", "high", "images", "confidence", "accuracy"} a bin; the last two are means over
        its images, None in an empty bin.
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    edges = np.arange(bins + 1) / bins
    bin_of = np.digitize(confidence, edges[1:-1], right=True)
    rows = []
    for i in range(bins):
        inside = bin_of == i
        some = inside.any()
        rows.append(
            {
                "low": float(edges[i]),
                "high": float(edges[i + 1]),
                "images": int(inside.sum()),
                "confidence": float(confidence[inside].mean()) if some else None,
                "accuracy": float(right[inside].mean()) if some else None,
            }
        )
    return rows


def expected_error(rows):
    """Expected calibration error (equation 3 of the paper) of `reliability`, a share 0..1."""
    total = sum(row["images"] for row in rows)
    gaps = [
        row["images"] * abs(row["accuracy"] - row["confidence"]) for row in rows if row["images"]
    ]
    return sum(gaps) / total


def tempered(log_probabilities, temperature):
    """Log-probabilities at a temperature: logits / temperature, normalized again (section 4.2)."""
    scaled = np.asarray(log_probabilities, np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True))


def slope(log_probabilities, labels, temperature):
    """Derivative of the mean negative log-likelihood by 1 / temperature; it is 0 at the optimum."""
    scores = np.asarray(log_probabilities, np.float64)
    expected = (np.exp(tempered(scores, temperature)) * scores).sum(axis=-1)
    return float((expected - scores[np.arange(len(labels)), labels]).mean())


def fit_temperature(log_probabilities, labels):
    """The temperature with the least negative log-likelihood.

    The likelihood is convex in 1 / temperature, so halving the interval finds the one optimum.

    Args:
        log_probabilities: float (n, classes), up to a constant an image: logits will do.
        labels: int (n,), the true classes.

    Returns:
        The temperature; None where there is no optimum between 0.001 and 1000, as when every
        image is answered right.
    """
    cold, hot = COLDEST, HOTTEST
    # Where every image is right the slope is below 0 however cold, but for rounding.
    if (
        slope(log_probabilities, labels, cold) <= 1e-12
        or slope(log_probabilities, labels, hot) >= 0
    ):
        return None
    for _ in range(60):
        middle = float(np.sqrt(cold * hot))
        if slope(log_probabilities, labels, middle) > 0:  # a smaller 1 / temperature is better
            cold = middle
        else:
            hot = middle
    return float(np.sqrt(cold * hot))
