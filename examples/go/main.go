// Send a text to all followers, or to a list, and tell what becomes of it: go run . [KEY [LIST]]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// Result is what a send returns, and the first detail of its failure; other fields are left out here.
type Result struct {
	Outcome              string `json:"outcome"`
	MayHaveBeenDelivered bool   `json:"may_have_been_delivered"`
	Totals               *struct {
		Sent int64 `json:"sent"`
	} `json:"totals"`
}

// content is what counts, as JSON. A split test has message_b and split, too. What is expected of a tag does not count.
func content(of map[string]any) string {
	var value any
	text, _ := json.Marshal([]any{of["audience"], of["message"]}) // it was JSON before
	_ = json.Unmarshal(text, &value)
	text, _ = json.Marshal(counted(value))
	return string(text)
}

func counted(value any) any {
	switch value := value.(type) {
	case []any:
		for number := range value {
			value[number] = counted(value[number])
		}
	case map[string]any:
		delete(value, "expect")
		for name := range value {
			value[name] = counted(value[name])
		}
		for _, name := range []string{"openids", "any", "all", "none", "states", "of", "minus"} {
			if set, listed := value[name].([]any); listed { // their order does not count
				slices.SortFunc(set, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
				value[name] = slices.CompactFunc(set, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
			}
		}
	}
	return value
}

// problem tells why a send that runs already must not be joined: nothing where it is seen to have this content.
// The same may be written otherwise, or stand at other URIs.
func problem(ctx context.Context, c client.Client, id string, request map[string]any) (string, error) {
	history := c.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	started, err := history.Next()
	if err != nil {
		return "", err
	}
	var theirs map[string]any
	input := started.GetWorkflowExecutionStartedEventAttributes().GetInput()
	if err := converter.GetDefaultDataConverter().FromPayloads(input, &theirs); err != nil {
		return "", err
	}
	if content(theirs) == content(request) {
		return "", nil
	}
	return "key: a send of another audience or message runs under it, and goes on; " +
		"if that is the same, only written otherwise, a new key would deliver it twice", nil
}

// accepted returns once the workers have checked all of it; c.ExecuteWorkflow does not wait for that.
func accepted(ctx context.Context, c client.Client, id string, request map[string]any, policy enums.WorkflowIdConflictPolicy, updateID string) error {
	start := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                "qunfa",
		WorkflowIDConflictPolicy: policy,
	}, "MassSend", request)
	update, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID:   id,
			UpdateID:     updateID,
			UpdateName:   "accepted",
			WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err == nil {
		err = update.Get(ctx, nil)
	}
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	var failure *temporal.ApplicationError
	// Whoever joins a send does so by the same update: Temporal answers it from what it has stored, and takes 2,000 in a run.
	join := "accepted"
	switch {
	case errors.As(err, &running):
		problem, err := problem(ctx, c, id, request)
		if err != nil {
			return err
		}
		if problem != "" {
			return temporal.NewNonRetryableApplicationError(problem, "InvalidRequest", nil, []string{problem})
		}
	case errors.As(err, &failure) && failure.Type() == "AskAgain": // a list goes on as another run, which is asked now
		join = ""
	default:
		return err
	}
	return accepted(ctx, c, id, request, enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, join)
}

func send(ctx context.Context, c client.Client, key, list string) (*Result, error) {
	audience := map[string]any{"kind": "all"}
	if list != "" {
		audience = map[string]any{"kind": "openid_file", "uri": list}
	}
	id := "mass-send:demo:" + key
	request := map[string]any{
		"account":      "demo",
		"key":          key,
		"audience":     audience,
		"message":      map[string]any{"msgtype": "text", "content": "春季特卖今天开始 (" + key + ")"},
		"requested_by": "crm",
	}
	if err := accepted(ctx, c, id, request, enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL, ""); err != nil {
		return nil, err
	}
	var status struct {
		Phase    string `json:"phase"`
		Progress struct {
			Done int `json:"done"`
			Jobs int `json:"jobs"`
		} `json:"progress"`
	}
	answer, err := c.QueryWorkflow(ctx, id, "", "status")
	if err == nil {
		err = answer.Get(&status)
	}
	if err != nil {
		return nil, err
	}
	fmt.Printf("%s is %s, %d of %d jobs done\n", id, status.Phase, status.Progress.Done, status.Progress.Jobs)
	var result Result
	return &result, c.GetWorkflow(ctx, id, "").Get(ctx, &result)
}

func main() {
	// Your own key: the same whenever your service tries again, and another one for another message.
	key := time.Now().UTC().Format("example-20060102-150405")
	if len(os.Args) > 1 {
		key = os.Args[1]
	}
	// The URI of a file with an openid a line, in any number: it goes out in batches.
	list := ""
	if len(os.Args) > 2 {
		list = os.Args[2]
	}
	// TEMPORAL_ADDRESS, or where a server of your own listens.
	address := os.Getenv("TEMPORAL_ADDRESS")
	if address == "" {
		address = "localhost:7233"
	}
	c, err := client.Dial(client.Options{HostPort: address})
	if err != nil {
		log.Fatalln(err)
	}
	defer c.Close()
	result, err := send(context.Background(), c, key, list)
	var failure *temporal.ApplicationError
	switch {
	case err == nil && result.Totals != nil:
		fmt.Printf("%s: %d received it\n", result.Outcome, result.Totals.Sent)
	case err == nil:
		fmt.Printf("%s: an unknown number received it\n", result.Outcome)
	case errors.As(err, &failure) && failure.Type() == "InvalidRequest":
		var problems []string
		_ = failure.Details(&problems)
		fmt.Println("refused:", problems)
		os.Exit(1)
	case errors.As(err, &failure) && failure.Type() == "MassSendFailed":
		var ended Result
		_ = failure.Details(&ended)
		fmt.Printf("ended as %s, may have been delivered: %t: %s\n", ended.Outcome, ended.MayHaveBeenDelivered, failure.Message())
		os.Exit(1)
	default:
		log.Fatalln(err)
	}
}
