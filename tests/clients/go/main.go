// What generated_clients_test.py does with openapi-generator's client for Go: URL TOKEN CLIENT_KRN.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	pebbles "example.com/pebbles/client"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// The answer itself is of interest only where a header is.
func body[T any](value T, _ any, err error) T { return must(value, err) }

func main() {
	url, token, krn := os.Args[1], os.Args[2], os.Args[3]
	configuration := pebbles.NewConfiguration()
	configuration.Servers = pebbles.ServerConfigurations{{URL: url}}
	client := pebbles.NewAPIClient(configuration)
	api := client.ProgressAPI
	ctx := context.WithValue(context.Background(), pebbles.ContextAccessToken, token)
	const largest = int64(1)<<53 - 1

	update := pebbles.NewUpdate("a.csv", *pebbles.NewAddedCounts(largest, 0, 1))
	item := pebbles.NewReportedItem("Not a date")
	item.SetLine(largest)
	item.SetCode("E-17")
	update.SetErrors([]pebbles.ReportedItem{*item})
	created := body(api.ReportProgress(ctx, krn).Update(*update).IdempotencyKey(`"run-7/1"`).Execute())
	_, answer, err := api.ReportProgress(ctx, krn).Update(*update).IdempotencyKey(`"run-7/1"`).Execute()
	must(answer, err)
	record := body(api.ReadProgress(ctx, krn).Filename("a.csv").Execute()).ProgressRecord
	byId := body(api.ReadProgressById(ctx, krn, record.Id).Execute())
	other := pebbles.NewUpdate("b.csv", *pebbles.NewAddedCounts(1, 0, 0))
	other.SetTotal(largest)
	updates := []pebbles.Update{*other, *update}
	both := pebbles.ArrayOfUpdateAsBatch(&updates)
	batch := body(api.ReportBatch(ctx, krn).Batch(both).IdempotencyKey(`"run-8"`).Execute())
	counted, problem := batch.Results[0].BatchUpdateCounted, batch.Results[1].BatchUpdateProblem
	listed := *body(api.ReadProgress(ctx, krn).Sort(pebbles.FILENAME).Execute()).ArrayOfListedRecord
	names := []string{}
	for _, one := range listed {
		names = append(names, one.Filename)
	}
	sent := body(api.ReadErrors(ctx, krn, record.Id).Execute())[0]
	event := body(api.ReadHistory(ctx, krn, record.Id).Execute())[0]
	feed := body(api.ReadFeed(ctx, krn).Limit(1).Execute())
	summary := body(api.ReadSummary(ctx, krn).Execute())
	_, _, err = api.ReadProgress(ctx, krn).Filename("missing.csv").Execute()
	var failure *pebbles.GenericOpenAPIError
	if !errors.As(err, &failure) {
		panic(err)
	}
	missing := failure.Model().(pebbles.Problem)
	health := body(client.ServiceAPI.ReadHealth(ctx).Execute())
	must(api.DeleteProgress(ctx, krn, listed[1].Id).Execute())

	fmt.Println(string(must(json.Marshal(map[string]any{
		"result": created.Result, "replayed": answer.Header.Get("Idempotent-Replayed"), "done": record.Counts.Done,
		"total": record.Total.Get(), "completedAt": record.CompletedAt.Get(), "created": record.CreatedAt.Year() > 2000,
		"sameId": byId.Id == record.Id, "succeeded": batch.Succeeded,
		"counted": []any{counted.Status, counted.Result, counted.Total.Get()},
		"problem": []any{problem.Status, problem.Error}, "listed": names, "line": sent.Line, "code": sent.Code,
		"channel": event.Channel, "position": event.Position.Get(),
		"feed": []any{len(feed.Events), feed.Events[0].Filename, feed.More}, "files": summary.Files,
		"missing": []any{"Problem", missing.Status, missing.Error}, "health": health != "",
	}))))
}
