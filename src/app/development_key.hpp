#pragma once
#include <string>

#include "base/result.hpp"

namespace pebbles::app {

/// The secret that an embedded server signs and verifies with when none is configured: `DIR/development.key`, made on
/// first use, readable by its owner alone. Errors: invalid_argument when it cannot be read or made.
[[nodiscard]] Result<std::string> development_key(const std::string& dir);

/// The same, but an error (not_found) where there is none yet.
[[nodiscard]] Result<std::string> existing_development_key(const std::string& dir);

}  // namespace pebbles::app
