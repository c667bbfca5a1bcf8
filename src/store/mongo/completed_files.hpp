#pragma once
#include <optional>
#include <vector>

#include "store/mongo/driver.hpp"
#include "store/pruner.hpp"

namespace pebbles::store::mongo {

/// As `Pruner::completed`. Error: store_unavailable.
[[nodiscard]] Result<std::vector<CompletedFile>> find_completed(mongoc_collection_t* progress, const Clients& clients,
                                                                Timestamp before,
                                                                const std::optional<CompletedPosition>& after,
                                                                std::size_t limit);

}  // namespace pebbles::store::mongo
