#pragma once
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pebbles::app {

/// The whole of a file that a variable names, at most 1 MiB: a device or a log was not meant.
/// Error: invalid_argument that names both.
[[nodiscard]] Result<std::string> read_small_file(std::string_view variable, const std::string& path);

}  // namespace pebbles::app
