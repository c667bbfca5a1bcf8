"""What /metrics shows, as tests read it."""
import httpx


def metrics_text(url):
    answer = httpx.get(f"{url}/metrics", trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.text


def metrics(url):
    """Values by series, each written as Prometheus writes it: name{label="value",…}, labels in order of name."""
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in metrics_text(url).splitlines() if not line.startswith("#"))}
