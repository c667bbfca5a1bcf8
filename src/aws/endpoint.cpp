#include "aws/endpoint.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace pebbles::aws {
namespace {

/// The partitions that have a suffix of their own, by how their regions begin.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> suffixes{{
    {"cn-", "amazonaws.com.cn"},
    {"eusc-", "amazonaws.eu"},
    {"us-iso-", "c2s.ic.gov"},
    {"us-isob-", "sc2s.sgov.gov"},
    {"eu-isoe-", "cloud.adc-e.uk"},
    {"us-isof-", "csp.hci.ic.gov"},
}};

}  // namespace

std::string default_endpoint(std::string_view service, std::string_view region) {
  const auto* own = std::ranges::find_if(suffixes, [&](const auto& entry) { return region.starts_with(entry.first); });
  const auto suffix = own == suffixes.end() ? std::string_view{"amazonaws.com"} : own->second;
  return fmt::format("https://{}.{}.{}", service, region, suffix);
}

bool is_valid_region(std::string_view region) {
  constexpr std::size_t label_max = 63;  // of a host name
  if (region.empty() || region.size() > label_max || region.front() == '-' || region.back() == '-') return false;
  return std::ranges::all_of(region, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace pebbles::aws
