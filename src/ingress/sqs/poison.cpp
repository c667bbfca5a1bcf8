#include "ingress/sqs/poison.hpp"

#include <algorithm>

namespace pebbles::sqs {

using std::chrono::seconds;

namespace {

struct Growth {
  seconds first;
  seconds max;
};

constexpr Growth until_redriven{seconds{1}, seconds{30}};
constexpr Growth kept{seconds{30}, std::chrono::hours{11}};  // SQS's 12 h count from when it was received
constexpr Growth kept_in_line{seconds{30}, seconds{60}};

/// Doubles with each delivery.
seconds grown(Growth growth, int receive_count) {
  const auto doublings = std::clamp(receive_count - 1, 0, 20);
  return std::min(growth.first * (1 << doublings), growth.max);
}

}  // namespace

PoisonWay way_of_poison(bool has_redrive_policy, bool has_dead_letter_queue) {
  if (has_redrive_policy) return PoisonWay::redrive;
  return has_dead_letter_queue ? PoisonWay::dead_letter_queue : PoisonWay::keep;
}

seconds pause_of_poison(PoisonWay way, bool is_fifo, int receive_count) {
  switch (way) {
    case PoisonWay::redrive: return is_fifo ? seconds{0} : grown(until_redriven, receive_count);
    case PoisonWay::dead_letter_queue: return seconds{0};  // it is deleted
    case PoisonWay::keep: return grown(is_fifo ? kept_in_line : kept, receive_count);
  }
  return seconds{0};
}

}  // namespace pebbles::sqs
