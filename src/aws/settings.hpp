#pragma once
#include <string>
#include <string_view>

#include "base/environment.hpp"
#include "base/result.hpp"

/// Small things that the sources of credentials share.
namespace pebbles::aws {

/// Without spaces, tabs and line ends around it.
[[nodiscard]] std::string_view stripped(std::string_view text);

/// The value of a variable without white space around it; empty when it is not set.
[[nodiscard]] std::string value_of(const Environment& environment, const std::string& name);

/// The whole of a small file. Errors: not_found; invalid_argument when it cannot be read or is longer than 1 MiB.
[[nodiscard]] Result<std::string> read_file(const std::string& path);

/// What a file that holds one token has: its text without white space around it. Errors: forbidden.
[[nodiscard]] Result<std::string> read_token_file(const std::string& path);

}  // namespace pebbles::aws
