#include "ingress/sqs/queue_state.hpp"

#include <fmt/core.h>

#include "telemetry/telemetry.hpp"

namespace pebbles::sqs {

using aws::FaultKind;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr seconds said_again_after{60};
constexpr seconds away_max{60};

std::string text_of(Call call, const aws::Fault& fault) {
  auto out = fmt::format("{}: {}", name_of(call), aws::name_of(fault.kind));
  if (!fault.code.empty()) out += ": " + fault.code;
  if (!fault.message.empty()) out += ": " + fault.message;
  return out;
}

bool same(const aws::Fault& a, const aws::Fault& b) { return a.kind == b.kind && a.code == b.code; }

}  // namespace

std::string_view name_of(Call call) {
  switch (call) {
    case Call::receive: return "ReceiveMessage";
    case Call::remove: return "DeleteMessageBatch";
    case Call::change_visibility: return "ChangeMessageVisibilityBatch";
    case Call::facts: return "GetQueueAttributes";
    case Call::send: return "SendMessageBatch";
  }
  return "unknown";
}

void QueueState::answered(Call call) {
  const auto place = static_cast<std::size_t>(call);
  receives_.store(true, std::memory_order_relaxed);
  if (!fails_.at(place).load(std::memory_order_acquire)) return;
  {
    const std::lock_guard lock{mutex_};
    if (!failing_.at(place)) return;
    failing_.at(place).reset();
    fails_.at(place).store(false, std::memory_order_release);
  }
  telemetry::sqs_answers_again(name_of(call));
}

void QueueState::failed(Call call, const aws::Fault& fault) {
  if (fault.kind == FaultKind::cancelled) return;
  const auto place = static_cast<std::size_t>(call);
  const auto now = steady_clock::now();
  {
    const std::lock_guard lock{mutex_};
    auto& failing = failing_.at(place);
    const bool is_news = !failing || !same(failing->fault, fault) || now - failing->said > said_again_after;
    if (!failing) failing = Failing{.fault = fault, .since = now, .said = now};
    failing->fault = fault;
    if (is_news) failing->said = now;
    fails_.at(place).store(true, std::memory_order_release);
    if (!is_news) return;
  }
  telemetry::sqs_failed(name_of(call), aws::name_of(fault.kind), fault.code, fault.message);
}

std::optional<std::string> QueueState::trouble() const {
  const auto now = steady_clock::now();
  const std::lock_guard lock{mutex_};
  for (std::size_t place = 0; place < calls; ++place) {
    const auto& failing = failing_.at(place);
    if (!failing) continue;
    switch (failing->fault.kind) {
      case FaultKind::denied:
      case FaultKind::refused: return "SQS: " + text_of(static_cast<Call>(place), failing->fault);
      case FaultKind::away:
      case FaultKind::throttled:
        if (now - failing->since < away_max) break;
        return fmt::format("SQS: {} for {} s", text_of(static_cast<Call>(place), failing->fault), away_max.count());
      case FaultKind::cancelled: break;
    }
  }
  return std::nullopt;
}

std::string QueueState::describe() const {
  const std::lock_guard lock{mutex_};
  for (std::size_t place = 0; place < calls; ++place)
    if (failing_.at(place)) return text_of(static_cast<Call>(place), failing_.at(place)->fault);
  return receives_ ? "receiving" : "connecting";
}

}  // namespace pebbles::sqs
