#pragma once
#include <cstdint>
#include <optional>

#include "app/config.hpp"

namespace pebbles::app {

/// Prints where the server listens and, of an embedded one, what a newcomer pastes next: at once, to standard output.
/// Not for where a program reads what is said. No secret is in it, nor asked for on a command line.
void greet(const Config& config, std::uint16_t port, std::optional<std::uint16_t> metrics_port);

}  // namespace pebbles::app
