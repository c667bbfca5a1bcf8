#pragma once
#include <string_view>

namespace pebbles::app {

inline constexpr std::string_view version = PEBBLES_VERSION;

}  // namespace pebbles::app
