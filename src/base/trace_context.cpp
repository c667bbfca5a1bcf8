#include "base/trace_context.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/header_text.hpp"
#include "base/hex.hpp"
#include "base/random_bits.hpp"

namespace pebbles {
namespace {

constexpr std::size_t size_of_00 = 55;
constexpr std::uint8_t sampled = 0x01;
constexpr std::uint8_t random_trace_id = 0x02;  // level 2

bool is_lower_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) { return is_lower_hex(text) && text.find_first_not_of('0') != text.npos; }

std::string new_parent_id() {
  std::uint64_t bits = 0;
  while (bits == 0) bits = random_bits();
  return fmt::format("{:016x}", bits);
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view text) {
  text = trimmed(text);
  if (text.size() < size_of_00) return std::nullopt;
  const auto version = text.substr(0, 2);
  const auto trace_id = text.substr(3, 32);
  const auto parent_id = text.substr(36, 16);
  const auto flags = text.substr(53, 2);
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  if (!is_lower_hex(version) || version == "ff" || !is_id(trace_id) || !is_id(parent_id) || !is_lower_hex(flags))
    return std::nullopt;
  const auto rest = text.substr(size_of_00);
  if (!rest.empty() && (version == "00" || rest.front() != '-')) return std::nullopt;
  std::array<std::uint8_t, 1> bits{};
  (void)from_hex(flags, bits);  // two digits, as was seen above
  return TraceContext{.trace_id = std::string{trace_id}, .parent_id = std::string{parent_id}, .flags = bits[0]};
}

TraceContext new_trace() {
  TraceContext out;
  // Level 2 wants the last seven bytes random; an even one half keeps all of it from being zeros.
  out.trace_id = fmt::format("{:016x}", random_bits()) + new_parent_id();
  out.parent_id = new_parent_id();
  out.flags = random_trace_id;
  return out;
}

TraceContext next_step(TraceContext before) {
  before.parent_id = new_parent_id();
  return before;
}

std::string to_traceparent(const TraceContext& context) {
  return fmt::format("00-{}-{}-{:02x}", context.trace_id, context.parent_id,
                     context.flags & (sampled | random_trace_id));
}

}  // namespace pebbles
