#include "http/request_id.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/random_bits.hpp"

namespace pebbles::http {
namespace {

constexpr std::size_t bytes_max = 128;

bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view{"-_.:/+=@~"}.contains(c);
}

}  // namespace

std::string request_id_of(std::string_view given) {
  if (!given.empty() && given.size() <= bytes_max && std::ranges::all_of(given, is_allowed)) return std::string{given};
  return fmt::format("{:016x}", random_bits());
}

}  // namespace pebbles::http
