package azuresim

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

const kindContainerGroup = "container-group"

// containerGroupKind is the container group. Its key version is fixed when it
// is deployed; a PUT re-creates the containers (facts §4). Without a version it
// takes the newest at each start (unverified). It opens its key when it starts: one
// that runs feels nothing of the loss (facts §1, "new deployments/restarts fail").
func containerGroupKind() *kind {
	return &kind{
		name: kindContainerGroup, typ: "Microsoft.ContainerInstance/containerGroups", content: jsonCharset,
		atStart: true,
		linkOf:  containerLink, write: containerWrite, remove: containerRemove,
		child: containerChild, post: containerPost, see: containerSee,
		listed: trimInstanceView, pin: containerPin,
	}
}

func containerPin(d doc, _ *key, v *version, latest bool) {
	pinned := v.id
	if latest {
		pinned = ""
	}
	put(d, containerKey+".keyVersion", pinned)
}

const containerKey = "properties.encryptionProperties"

func containerLink(d doc) link {
	uri := strings.TrimRight(text(d, containerKey+".vaultBaseUrl"), "/")
	l := keyLink(uri + "/keys/" + text(d, containerKey+".keyName"))
	l.pinned = text(d, containerKey+".keyVersion")
	return l
}

// containerDoc is a group as it rests [recording containerinstance.create].
func (s *Server) containerDoc(id resourceID, location string, tags map[string]string, image string, made time.Time) doc {
	if image == "" {
		image = "mcr.microsoft.com/azuredocs/aci-helloworld:latest"
	}
	d := common(id, "Microsoft.ContainerInstance/containerGroups", location, tags)
	d["properties"] = doc{
		"sku": "Standard", "provisioningState": "Succeeded",
		"containers": []any{doc{"name": id.name, "properties": doc{
			"image": image, "command": []any{}, "ports": []any{doc{"protocol": "TCP", "port": 80}},
			"environmentVariables": []any{}, "resources": doc{"requests": doc{"memoryInGB": 1.5, "cpu": 1}},
		}}},
		"initContainers": []any{}, "restartPolicy": "Always", "osType": "Linux",
		"ipAddress": doc{
			"ports": []any{doc{"protocol": "TCP", "port": 80}}, "type": "Public", "ip": s.address(id, 0),
		},
		"instanceView": doc{"events": []any{}, "state": "Running"},
	}
	startContainers(d, made)
	return d
}

// address makes an address that changes with each creation.
func (s *Server) address(id resourceID, generation int) string {
	n := s.mint.number(1<<24, "address", id.path(), generation)
	return fmt.Sprintf("20.%d.%d.%d", n>>16&255, n>>8&255, n&255)
}

// startContainers gives each container its instance view.
func startContainers(d doc, now time.Time) {
	stamp := now.UTC().Format(time.RFC3339)
	list, _ := at(d, "properties.containers").([]any)
	for _, c := range list {
		container, ok := c.(doc)
		if !ok {
			continue
		}
		event := func(name, message string) doc {
			return doc{
				"count": 1, "firstTimestamp": stamp, "lastTimestamp": stamp, "name": name, "message": message,
				"type": "Normal",
			}
		}
		image := text(container, "properties.image")
		put(container, "properties.instanceView", doc{
			"restartCount": 0,
			"currentState": doc{"state": "Running", "startTime": stamp, "detailStatus": ""},
			"events": []any{
				event("Pulling", `pulling image "`+image+`"`),
				event("Pulled", `Successfully pulled image "`+image+`"`),
				event("Started", "Started container"),
			},
		})
	}
}

// containerSee adds what newer API versions know [recording
// containerinstance.create; 2021-03-01 in containerinstance.lifecycle does not].
func containerSee(_ *Server, c *call, _ *resource, d doc) {
	if c.version() < "2024-05" {
		return
	}
	defaults(d, doc{"properties": doc{
		"isCreatedFromStandbyPool": false, "provisioningTimeoutInSeconds": 1800, "isCustomProvisioningTimeout": false,
	}})
}

// hideSecrets takes out what is never sent back [recordings containerinstance.*].
func hideSecrets(p doc) {
	for _, v := range anyList(p, "volumes") {
		if volume, ok := v.(doc); ok && volume["secret"] != nil {
			volume["secret"] = doc{}
		}
	}
	if logs, ok := at(p, "diagnostics.logAnalytics").(doc); ok {
		delete(logs, "workspaceKey")
	}
	for _, c := range anyList(p, "containers") {
		container, _ := c.(doc)
		for _, v := range anyList(container, "properties.environmentVariables") {
			if variable, ok := v.(doc); ok {
				delete(variable, "secureValue")
			}
		}
	}
}

// trimInstanceView takes out what lists leave out [recording
// containerinstance.create].
func trimInstanceView(d doc) {
	delete(object(d, "properties"), "instanceView")
	list, _ := at(d, "properties.containers").([]any)
	for _, c := range list {
		if container, ok := c.(doc); ok {
			delete(object(container, "properties"), "instanceView")
		}
	}
}

// containerWrite re-creates a group on PUT: Pending at first, then running
// with a new address. A PATCH changes tags alone.
func containerWrite(s *Server, c *call, r *resource, body doc, patch bool) *answer {
	if patch {
		next := clone(r.doc)
		merge(next, doc{"tags": body["tags"]})
		s.change(r, next)
		return reply(http.StatusOK, r.view(c))
	}
	status := http.StatusOK
	if r == nil {
		status = http.StatusCreated
		r = s.newResource(c)
	}
	next := containerAsked(r.id, body)
	s.identify(next)
	if r.doc == nil {
		r.doc = next
		s.add(r)
	} else {
		s.change(r, next)
	}
	a := reply(status, r.view(c))
	s.begin(c, r, containerStyle(), a, func(now time.Time) doc { return containerDone(s, r, now) })
	return a
}

// containerAsked is the document of a group that is being deployed.
func containerAsked(id resourceID, body doc) doc {
	next := clone(body)
	next["id"], next["name"], next["type"] = id.path(), id.name, "Microsoft.ContainerInstance/containerGroups"
	next["location"] = regionName(text(body, "location"))
	p := object(next, "properties")
	defaults(p, doc{"sku": "Standard", "initContainers": []any{}, "osType": "Linux"})
	hideSecrets(p)
	p["provisioningState"] = "Pending"
	p["instanceView"] = doc{"events": []any{}, "state": "Pending"}
	if address, ok := p["ipAddress"].(doc); ok {
		delete(address, "ip")
		if label := text(address, "dnsNameLabel"); label != "" {
			address["fqdn"] = label + "." + text(next, "location") + ".azurecontainer.io"
		}
	}
	list, _ := p["containers"].([]any)
	for _, c := range list {
		if container, ok := c.(doc); ok {
			delete(object(container, "properties"), "instanceView")
		}
	}
	return next
}

// containerDone ends a deployment. Without its key version it fails (facts §1,
// unverified; so the error says no more than Azure's general code).
func containerDone(s *Server, r *resource, now time.Time) doc {
	next := clone(r.doc)
	id, bad, why := s.pick(r, now), false, deniedNot
	if r.link.key != "" {
		f := s.flawOf(r.link, r, false, now)
		bad, why = f != flawNot, f.denial()
	}
	s.turn(r, why, now)
	if bad {
		put(next, "properties.provisioningState", "Failed")
		put(next, "properties.instanceView.state", "Failed")
		s.change(r, next)
		return doc{"code": "InternalError", "message": "The container group could not be deployed."}
	}
	put(next, "properties.provisioningState", "Succeeded")
	put(next, "properties.instanceView.state", "Running")
	if _, ok := at(next, "properties.ipAddress").(doc); ok {
		s.opCount++
		put(next, "properties.ipAddress.ip", s.address(r.id, s.opCount))
	}
	startContainers(next, now)
	s.change(r, next)
	if r.link.key != "" && id != "" {
		s.use(r, id, now)
	}
	return nil
}

// containerRemove answers with the group that was [recording
// containerinstance.create].
func containerRemove(s *Server, c *call, r *resource) *answer {
	a := reply(http.StatusOK, r.view(c))
	s.drop(r)
	return a
}

func containerChild(_ *Server, _ *call, _ *resource, rest []string) *answer {
	if len(rest) == 3 && strings.EqualFold(rest[2], "logs") {
		return reply(http.StatusOK, doc{"content": "hello\n"})
	}
	return nil
}

// containerPost restarts, starts and stops [recording containerinstance.lifecycle].
func containerPost(s *Server, c *call, r *resource, action string) *answer {
	if action != "restart" && action != "start" && action != "stop" {
		return nil
	}
	a := newAnswer(http.StatusNoContent)
	if action == "start" && text(r.doc, "properties.instanceView.state") == "Running" {
		return a
	}
	if action == "stop" {
		put(r.doc, "properties.instanceView.state", "Stopped")
		return a
	}
	s.begin(c, r, containerStyle(), a, func(now time.Time) doc { return containerDone(s, r, now) })
	return a
}

// buildContainerGroup makes a container group, pinned to a version unless it
// follows.
func (s *Server) buildContainerGroup(spec ContainerGroupSpec, p Place, n string) {
	s.start(kindContainerGroup, p, spec.Protected, func(id resourceID) doc {
		d := s.containerDoc(id, p.Location, p.Tags, spec.Image, s.restedSince())
		if k, v := s.resolveKey(spec.Key, spec.Version, n); v != nil {
			pinned := v.id
			if spec.Follows {
				pinned = ""
			}
			put(d, containerKey, doc{
				"vaultBaseUrl": "https://" + k.vault.host + "/", "keyName": k.name, "keyVersion": pinned,
			})
		}
		return d
	})
}
