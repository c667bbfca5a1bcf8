#pragma once
#include <span>
#include <string>
#include <string_view>

#include "admission/message.hpp"
#include "base/trace_context.hpp"

namespace pebbles::admission {

/// What a message is about, as far as that can be told, however wrong it is: for the log and for dead letters, not to
/// be counted by. Empty: it does not say.
struct MessageAbout {
  std::string client;
  std::string file;
  TraceContext trace;  ///< a new one where it has none, or none that is valid
};

/// Arguments as of `parse_message`. The trace is that of a header `traceparent`, else of the CloudEvent's extension of
/// that name. Threads: any.
[[nodiscard]] MessageAbout about_message(std::string_view value, std::span<const MessageHeader> headers);

}  // namespace pebbles::admission
