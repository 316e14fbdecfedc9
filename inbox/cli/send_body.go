package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"inbox/inbox/qoreid"
)

// kindsToSend returns the kinds to send, in order: the kind in the argument, the kinds of a life, or all. With --data it returns one
// kind, which may be empty.
func kindsToSend(c *cli.Context, named qoreid.Kind, hasBody bool) ([]qoreid.Kind, error) {
	life, all := c.Bool("life"), c.Bool("all")
	switch {
	case life && all, (life || all) && hasBody, all && named.Event != "":
		return nil, usage("--all, --life and --data exclude each other, and --all takes no EVENT")
	case all:
		return qoreid.Kinds(), nil
	case named.Event == "" && !hasBody:
		return nil, usage("no event is named").WithHint("`inbox send --list` lists the events; --data sends another body")
	case life:
		return lifeOf(named)
	}
	return []qoreid.Kind{named}, nil
}

// lifeOf returns the kinds of a verification's life, from started to completed.
func lifeOf(named qoreid.Kind) ([]qoreid.Kind, error) {
	if named.EventType != "" {
		return nil, usage("--life sends every type of %s", named.Event).WithHint("inbox send " + named.Event + " --life")
	}
	if _, err := qoreid.Sample(named, 1, ""); err != nil { // the error lists the kinds
		return nil, err
	}
	return slices.DeleteFunc(qoreid.Kinds(), func(k qoreid.Kind) bool { return k.Event != named.Event || !k.InLife() }), nil
}

// bodies returns the next bodies: samples with fresh ids, or the body in --data, with the values of --set. The events of a life share
// one id. A body in --data that is sent several times gets fresh ids, so that it is not a duplicate; sent once, it keeps its id.
func (s *sendOptions) bodies(several bool) ([][]byte, error) {
	type subject struct {
		id        int64
		reference string
	}
	subjects := map[string]subject{}
	var list [][]byte
	for _, k := range s.kinds {
		of := k.Event
		if !k.InLife() {
			of = k.String() // another layout is about another verification
		}
		if _, known := subjects[of]; !known {
			id, reference := qoreid.Fresh()
			subjects[of] = subject{id, reference}
		}
		body, err := s.body(k, subjects[of].id, subjects[of].reference, several)
		if err != nil {
			return nil, err
		}
		list = append(list, body)
	}
	return list, nil
}

// body returns one body.
func (s *sendOptions) body(k qoreid.Kind, id int64, reference string, several bool) (body []byte, err error) {
	sets := s.sets
	if body = s.data; body == nil {
		if body, err = qoreid.Sample(k, id, reference); err != nil {
			return nil, err
		}
	} else {
		sets = slices.Concat(s.implicitSets(id, several), s.sets)
	}
	for _, set := range sets {
		pointer, value, ok := strings.Cut(set, "=")
		if !ok {
			return nil, usage("--set is %q, not a JSON pointer and a value, as in /data/status/status=FAILED", set)
		}
		if body, err = qoreid.Set(body, pointer, value); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// implicitSets returns changes of the body in --data besides --set: a fresh id, and the event and type in the argument.
func (s *sendOptions) implicitSets(id int64, several bool) (sets []string) {
	if several && !s.same {
		sets = append(sets, fmt.Sprintf("/data/id=%d", id))
	}
	if s.kind.Event != "" {
		sets = append(sets, "/event="+s.kind.Event)
	}
	if s.kind.EventType != "" {
		sets = append(sets, "/event_type="+s.kind.EventType)
	}
	return sets
}

// eventOf returns the event and type that the receiver reads from a body.
func eventOf(s *sendOptions, body []byte) string {
	v := qoreid.Read(body, qoreid.Rules{Source: s.source.Name, KeyBy: s.source.KeyBy, Maps: s.source.Maps})
	return eventName(v.Event, v.EventType)
}
