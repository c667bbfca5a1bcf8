#pragma once
#include <cstdint>

namespace pebbles::sqs {

/// Names one message from its receipt to its end here, and never another one. Not 0.
using Ticket = std::uint64_t;

}  // namespace pebbles::sqs
