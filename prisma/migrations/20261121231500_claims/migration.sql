-- Marks of events. Mostly all of a batch are new, and a plain INSERT takes half the time of one with ON CONFLICT, which
-- locks, looks up and logs every row twice. So that is tried first, and undone alone where some are known already.
--
-- The arrays are sorted and name nothing twice; the answer is the places, from 1, of those that were known, or null.
-- They run with the rights of the caller, so anybody may call them.

CREATE FUNCTION claim_events(tenant_ids text[], sources text[], event_ids text[], at timestamptz) RETURNS int[]
  LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
  known int[];
BEGIN
  INSERT INTO processed_event (tenant_id, source, event_id, processed_at)
  SELECT event.*, at FROM unnest(tenant_ids, sources, event_ids) AS event;
  RETURN NULL;
EXCEPTION WHEN unique_violation THEN
  WITH event AS (
    SELECT * FROM unnest(tenant_ids, sources, event_ids) WITH ORDINALITY AS event (tenant_id, source, event_id, n)
  ), claimed AS (
    INSERT INTO processed_event (tenant_id, source, event_id, processed_at)
    SELECT event.tenant_id, event.source, event.event_id, at FROM event ORDER BY n
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, source, event_id
  )
  SELECT array_agg(n::int) INTO known FROM event LEFT JOIN claimed USING (tenant_id, source, event_id)
  WHERE claimed.event_id IS NULL;
  RETURN known;
END
$$;

CREATE FUNCTION claim_counted(tenant_ids text[], ids uuid[], at timestamptz) RETURNS int[]
  LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
  known int[];
BEGIN
  INSERT INTO counted_event (tenant_id, id, processed_at)
  SELECT mark.*, at FROM unnest(tenant_ids, ids) AS mark;
  RETURN NULL;
EXCEPTION WHEN unique_violation THEN
  WITH mark AS (
    SELECT * FROM unnest(tenant_ids, ids) WITH ORDINALITY AS mark (tenant_id, id, n)
  ), claimed AS (
    INSERT INTO counted_event (tenant_id, id, processed_at)
    SELECT mark.tenant_id, mark.id, at FROM mark ORDER BY n
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, id
  )
  SELECT array_agg(n::int) INTO known FROM mark LEFT JOIN claimed USING (tenant_id, id) WHERE claimed.id IS NULL;
  RETURN known;
END
$$;

GRANT EXECUTE ON FUNCTION claim_events, claim_counted TO PUBLIC;
