#pragma once
#include <memory>

#include "app/config.hpp"
#include "base/result.hpp"
#include "store/mongo/mongo_store.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/store.hpp"

namespace pebbles::app {

/// The store that the configuration names, and how many lanes and threads for reading it is worth.
struct OpenedStore {
  std::unique_ptr<store::Store> store;
  std::size_t lanes = 1;
  std::size_t readers = 3;
  std::size_t listers = 2;      ///< of lists, which take the processor for long
  std::size_t log_readers = 2;  ///< of tables and histories, which take longer still
};

/// Makes the folder of an embedded server, if this is one, and closes that of an embedded store to others (0700) where
/// nothing else is in it; else that is warned of. Error: invalid_argument.
[[nodiscard]] Result<void> make_embedded_folder(const Config& config);

/// Errors: those of the store's `open`.
[[nodiscard]] Result<OpenedStore> open_store(const Config& config);

[[nodiscard]] store::MongoOptions mongo_options(const Config& config);

}  // namespace pebbles::app
