#pragma once
#include <functional>
#include <optional>
#include <string>

namespace pebbles {

/// The value of an environment variable; nullopt when it is not set. A function, so that tests bring their own.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

}  // namespace pebbles
