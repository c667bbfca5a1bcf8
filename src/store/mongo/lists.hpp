#pragma once
#include "store/mongo/shared.hpp"

namespace pebbles::store::mongo {

/// A page of a list, of snapshots as they stand. However much a filter leaves out, the server looks at no more entries
/// of the index than `examined_max`, and one. Errors: store_unavailable, store_corrupt.
[[nodiscard]] Result<ListPage> list_page(Shared& shared, const Lease& lease, const domain::ClientKrn& client,
                                         const ListQuery& query);

/// What an API shows of a file of before the log is cut as the fold of a log would be.
[[nodiscard]] std::shared_ptr<Snapshot> shown(std::shared_ptr<Snapshot> snapshot);

}  // namespace pebbles::store::mongo
