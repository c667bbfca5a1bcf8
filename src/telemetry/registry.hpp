#pragma once
#include <prometheus/registry.h>

/// What the files of this folder share. Nobody else sees prometheus-cpp.
namespace pebbles::telemetry {

/// All series. Looking a series up costs as much as thirty increments: keep references.
[[nodiscard]] prometheus::Registry& registry();

}  // namespace pebbles::telemetry
