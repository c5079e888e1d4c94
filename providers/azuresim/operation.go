package azuresim

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// operationGet is the operation name of polling.
const operationGet = "operation-get"

// operation is a long-running operation.
type operation struct {
	id         string
	resource   *resource
	start, end time.Time
	done       bool
	failure    doc  // of a failed one: code and message
	removed    bool // it deletes its resource
	endless    bool // it never ends
	style      operationStyle
}

// operationStyle says how a resource provider shapes its operations; the
// differences are all from the recordings.
type operationStyle struct {
	// collection is the segment of the operation's URL below its location.
	collection string
	// apiVersion, where the provider uses its own in operation URLs.
	apiVersion string
	// running is the status before the end.
	running string
	// phases are free texts that stand for it one after the other while it runs.
	phases []string
	// below operations are at the resource itself, and not at its location.
	below bool
	// result is the collection of the Location header; empty means the same
	// URL with monitor=true, "-" none, [belowResource] one at the resource itself.
	result string
	// document writes the status.
	document func(c *call, o *operation, status string) doc
}

// provisioningState is where most resources say what is under way.
const provisioningState = "properties.provisioningState"

// belowResource is the result of an operation whose Location is at the resource itself.
const belowResource = "/operationResults"

// begin starts an operation on a resource and adds its headers to the first
// answer. finish runs when it ends and may return a failure.
func (s *Server) begin(
	c *call, r *resource, style operationStyle, a *answer, finish func(now time.Time) doc,
) *operation {
	s.opCount++
	o := &operation{
		id: s.mint.guid("operation", s.opCount), resource: r, start: c.now, style: style,
		end: c.now.Add(s.scenario.Operations.Duration.or(10 * time.Second)),
	}
	s.operations[o.id] = o
	r.running = o
	if failing := c.failing; failing != nil {
		finish = func(time.Time) doc {
			put(r.doc, cmp.Or(r.kind.stateAt, provisioningState), cmp.Or(r.kind.failed, "Failed"))
			return failing
		}
	}
	s.agenda.add(o.end, func(now time.Time) {
		if o.endless {
			return
		}
		o.done = true
		if finish != nil {
			o.failure = finish(now)
		}
		r.indexed = nil // Resource Graph learns of what Resource Manager did
		if r.running == o {
			r.running = nil
		}
	})
	base := "https://" + managementHost + "/subscriptions/" + r.id.subscription + "/providers/" +
		r.id.provider + "/locations/" + r.location() + "/"
	if style.below {
		base = "https://" + managementHost + r.id.path() + "/"
	}
	version := style.apiVersion
	if version == "" {
		version = c.version()
	}
	extra := ""
	if style.collection == "DiskOperations" {
		extra = "p=" + s.mint.guid("partition", r.id.subscription) + "&"
	}
	signature := s.operationSignature(o)
	a.set("Azure-Asyncoperation", base+style.collection+"/"+o.id+"?"+extra+"api-version="+version+signature)
	switch style.result {
	case "-":
	case "":
		a.set("Location", base+style.collection+"/"+o.id+"?"+extra+"monitor=true&api-version="+version+signature)
	case belowResource: // [recording cosmosdb.key-vault-key-uri]
		a.set("Location", "https://"+managementHost+r.id.path()+"/operationResults/"+o.id+
			"?api-version="+version+signature)
	default:
		a.set("Location", base+style.result+"/"+o.id+"?api-version="+version+signature)
	}
	a.set("Retry-After", s.retryAfter())
	s.stats.barred["poll|"+o.id] = c.now.Add(s.scenario.Operations.RetryAfter.or(time.Second))
	return o
}

// retryAfter is what running operations ask for.
func (s *Server) retryAfter() string {
	return strconv.Itoa(max(0, int(s.scenario.Operations.RetryAfter.or(time.Second).Seconds())))
}

// operationSignature is the signed part that operation URLs carry since 2024,
// of the same make and about the same length (facts §3).
func (s *Server) operationSignature(o *operation) string {
	ticks := strconv.FormatInt(o.start.UnixNano()/100+621355968000000000, 10)
	certificate := make([]byte, 0, 1600)
	for i := 0; len(certificate) < 1600; i++ {
		sum := s.mint.sum("certificate", o.id, i)
		certificate = append(certificate, sum[:]...)
	}
	signature := make([]byte, 0, 256)
	for i := 0; len(signature) < 256; i++ {
		sum := s.mint.sum("signature", o.id, i)
		signature = append(signature, sum[:]...)
	}
	hash := s.mint.sum("hash", o.id)
	enc := base64.RawURLEncoding
	return "&t=" + ticks + "&c=" + enc.EncodeToString(certificate) +
		"&s=" + enc.EncodeToString(signature) + "&h=" + enc.EncodeToString(hash[:])
}

// pollOperation answers the poll of an operation.
func (s *Server) pollOperation(c *call, id string) *answer {
	o := s.operations[strings.ToLower(id)]
	if o == nil {
		return problem(http.StatusNotFound, "ResourceNotFound", "The entity was not found.")
	}
	if c.query.Get("monitor") == "true" || strings.Contains(strings.ToLower(c.path), "/operationresults/") {
		return s.monitorOperation(c, o)
	}
	status := o.style.running
	switch {
	case o.done && o.failure != nil:
		status = "Failed"
	case o.done:
		status = "Succeeded"
	case o.style.phases != nil:
		status = o.phase(c.now)
	}
	a := reply(http.StatusOK, o.style.document(c, o, status))
	a.set("Content-Type", o.resource.kind.content)
	if !o.done {
		a.set("Retry-After", s.retryAfter())
	}
	return a
}

// monitorOperation answers under the Location URL: 202 until the end, then the
// resource.
func (s *Server) monitorOperation(c *call, o *operation) *answer {
	switch {
	case !o.done:
		a := newAnswer(http.StatusAccepted).set("Retry-After", s.retryAfter())
		return a.set("Location", "https://"+c.host+c.path+"?"+rawQuery(c))
	case o.failure != nil:
		return reply(http.StatusConflict, doc{"error": o.failure})
	case o.removed:
		return newAnswer(http.StatusNoContent)
	default:
		return reply(http.StatusOK, o.resource.view(c)).set("Content-Type", o.resource.kind.content)
	}
}

func rawQuery(c *call) string {
	version := c.query.Get("api-version")
	var out strings.Builder
	out.WriteString("api-version=" + version)
	for _, name := range []string{"monitor", "p", "t", "c", "s", "h"} {
		if v := c.query.Get(name); v != "" {
			out.WriteString("&" + name + "=" + v)
		}
	}
	return out.String()
}

// withError adds the error of a failed operation.
func withError(d doc, o *operation) doc {
	if o.failure != nil {
		d["error"] = o.failure
	}
	return d
}

// computeStyle is that of disks and disk encryption sets [recordings
// compute.disk-encryption-set*].
func computeStyle() operationStyle {
	return operationStyle{
		collection: "DiskOperations", running: "InProgress",
		document: func(c *call, o *operation, status string) doc {
			d := doc{"startTime": stampOffset(o.start), "status": status, "name": o.id}
			if o.done {
				d["endTime"] = stampOffset(o.end)
			}
			if status == "Succeeded" && !o.removed {
				d["properties"] = doc{"output": o.resource.view(c)}
			}
			return withError(d, o)
		},
	}
}

// machineStyle is that of virtual machines (unverified; Compute's other form).
func machineStyle() operationStyle {
	style := computeStyle()
	style.collection = "operations"
	style.document = func(_ *call, o *operation, status string) doc {
		d := doc{"startTime": stampOffset(o.start), "status": status, "name": o.id}
		if o.done {
			d["endTime"] = stampOffset(o.end)
		}
		return withError(d, o)
	}
	return style
}

// cosmosStyle says Dequeued while it works [recording cosmosdb.key-vault-key-uri].
func cosmosStyle() operationStyle {
	return operationStyle{
		collection: "operationsStatus", running: "Dequeued", result: belowResource,
		document: func(_ *call, o *operation, status string) doc {
			return withError(doc{"status": status}, o)
		},
	}
}

// containerStyle is that of container groups [recording containerinstance.create].
func containerStyle() operationStyle {
	return operationStyle{
		collection: "operations", apiVersion: "2018-06-01", running: "Pending", result: "-",
		document: func(_ *call, o *operation, status string) doc {
			return withError(doc{
				"id": o.resource.id.path(), "status": status, "startTime": stampZ(o.start),
				"properties": doc{"events": containerEvents(o)},
			}, o)
		},
	}
}

// containerEvents are those of the containers once they run.
func containerEvents(o *operation) []any {
	events := []any{}
	if !o.done {
		return events
	}
	for _, c := range anyList(o.resource.doc, "properties.containers") {
		container, _ := c.(doc)
		events = append(events, anyList(container, "properties.instanceView.events")...)
	}
	return events
}

// phase is the text of the running operation at a moment.
func (o *operation) phase(now time.Time) string {
	n := len(o.style.phases)
	i := int(int64(n) * int64(now.Sub(o.start)) / max(1, int64(o.end.Sub(o.start))))
	return o.style.phases[min(max(i, 0), n-1)]
}

// clusterStyle is that of managed clusters [recording
// containerservice.managed-cluster]; since 2025 the states are free text
// [recording containerservice.kms-platform-key].
func clusterStyle() operationStyle {
	return operationStyle{
		phases:     updatePhases,
		collection: "operations", apiVersion: "2017-08-31", running: "InProgress", result: "-",
		document: func(_ *call, o *operation, status string) doc {
			d := doc{"name": o.id, "status": status, "startTime": stampZ(o.start)}
			if o.done {
				d["endTime"] = stampZ(o.end)
			}
			return withError(d, o)
		},
	}
}
