<?php
// The heating company's service on PHP's own SOAP server: it writes and reads by the description, and publishes it at ?wsdl.
ini_set('soap.wsdl_cache_enabled', '0');

class Heating
{
    private function station(string $serial, string $site): array
    {
        return [
            'serial' => $serial,
            'site' => $site,
            'state' => 'RUNNING',
            'measured' => '2026-03-01T08:00:00',
            'supply' => ['temperature' => ['_' => '68.40', 'unit' => 'Cel'], 'pressure' => '3.20'],
            'heat' => 3000000017,
            'credit_code' => null,
            'alarms' => ['alarm' => $site === 'B01' ? [['code' => 17, 'text' => '水泵停 <1> & "2"']] : []],
            'revision' => 2,
        ];
    }

    public function GetStation(object $question): array
    {
        if ($question->serial !== 'HS 1 <&>') {
            throw new SoapFault('Client', 'No such station', null, (object) ['StationNotFound' => '']);
        }
        return ['station' => $this->station($question->serial, 'B01')];
    }

    public function ListStations(object $question): array
    {
        // One of a list is no list here, as PHP has it.
        $sites = isset($question->sites) ? (array) $question->sites->site : ['B01', 'B02'];
        return ['stations' => ['station' => array_map(fn ($site) => $this->station("HS-$site", $site), $sites)]];
    }

    public function GetStatus(): array
    {
        return ['ready' => true];
    }
}

$server = new SoapServer(getenv('TEST_WSDL'), ['soap_version' => (int) getenv('TEST_SOAP')]);
$server->setObject(new Heating());
$server->handle();
